import t from 'tap'
import { joinWorkers, type Membership } from '../../src/workers/member.ts'
import type { FromWorker } from '../../src/workers/messages.ts'

/** A worker on a pipe whose other end is this test. */
async function join(): Promise<{ member: Membership; sent: FromWorker[]; say: (message: unknown) => void }> {
  const sent: FromWorker[] = []
  let say: (message: unknown) => void = () => undefined
  const joined = joinWorkers({ send: message => void sent.push(message), onMessage: handler => void (say = handler) })
  const bytes = new Uint8Array(32)
  say({ type: 'welcome', number: 1, workers: 2, secret: bytes, uploadKey: bytes })
  return { member: await joined, sent, say }
}

t.test('the other end answers, late, never, or something else', async t => {
  const { member, sent, say } = await join()
  t.same(sent.splice(0), [{ type: 'hello' }])
  const asked = member.connection.read(['a', 'b'])
  const [question] = sent.splice(0)
  t.match(question, { type: 'read', names: ['a', 'b'] })
  for (const other of [
    undefined,
    'text',
    { cmd: 'NODE_x' },
    { type: 'unknown' },
    { type: 'values', id: -1, values: [] },
  ]) {
    say(other)
  }
  if (question?.type !== 'read') throw new Error('no question')
  const values = [new Uint8Array([1]), new Uint8Array()]
  say({ type: 'values', id: question.id, values })
  t.same(await asked, { ok: true, values })

  const written = member.connection.write([])
  const [telling] = sent.splice(0)
  if (telling?.type !== 'write') throw new Error('nothing told')
  say({ type: 'values', id: telling.id, values })
  t.same(await written, { ok: false, failure: 'late' }, 'an answer to another question is none')
  t.same(await member.connection.read(['a']), { ok: false, failure: 'late' }, 'and silence is bounded')
})

t.test('which policy is in force is told, and a call to look again is heard', async t => {
  const { member, sent, say } = await join()
  sent.splice(0)
  say({ type: 'refresh' })
  let calls = 0
  member.onRefresh(() => (calls += 1))
  say({ type: 'refresh' })
  t.equal(calls, 1)
  member.loaded('abc')
  t.same(sent, [{ type: 'loaded', snapshotId: 'abc' }])
})

t.test('an admin page that is not there yet, or cannot be made', async t => {
  const { member, sent, say } = await join()
  const page = async (): Promise<unknown> => {
    sent.splice(0)
    say({ type: 'ask', id: 7, path: '/metrics' })
    await new Promise(resolve => setImmediate(resolve))
    return sent[0]
  }
  t.match(await page(), { type: 'page', id: 7, page: { status: 503 } })
  member.serveAdmin(async () => ({ status: 200, contentType: 'text/plain', body: 'up 1' }))
  t.match(await page(), { type: 'page', id: 7, page: { status: 200, body: 'up 1' } })
  member.serveAdmin(async () => {
    throw new Error('no metrics')
  })
  t.match(await page(), { type: 'page', id: 7, page: { status: 500, body: /no metrics/ } })
})
