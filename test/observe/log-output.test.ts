import t from 'tap'
import { LogOutput } from '../../src/observe/log-output.ts'

/** An output that takes as many bytes as `room` says, and then fails. */
function output(): { readonly log: LogOutput; readonly text: () => string; room: number } {
  let text = ''
  const state = {
    room: Infinity,
    text: () => text,
    log: new LogOutput(bytes => {
      if (state.room <= 0) throw Object.assign(new Error('no space left'), { code: 'ENOSPC' })
      const taken = bytes.subarray(0, state.room)
      state.room -= taken.byteLength
      text += Buffer.from(taken).toString()
      return taken.byteLength
    }),
  }
  return state
}

t.test('case 210: lines that cannot be written are lost and counted, and the rest of the program goes on', async t => {
  const out = output()
  out.log.write('one\n')
  out.room = 0
  for (const line of ['two\n', 'three\n']) t.doesNotThrow(() => out.log.write(line))
  out.room = Infinity
  out.log.write('four\n')
  t.equal(out.text(), 'one\n{"level":40,"lost":2,"msg":"log lines were lost"}\nfour\n')
  out.log.write('five\n')
  t.ok(out.text().endsWith('four\nfive\n'), 'said once')
})

t.test('a line that was taken in part is finished before the next', async t => {
  const out = output()
  out.room = 3
  out.log.write('a long line\n')
  t.equal(out.text(), 'a l')
  out.log.write('lost\n')
  out.room = Infinity
  out.log.write('next\n')
  t.equal(out.text(), 'a long line\n{"level":40,"lost":1,"msg":"log lines were lost"}\nnext\n')
})

t.test('an output that takes nothing and does not fail is not asked for ever (case 210)', async t => {
  let asked = 0
  const log = new LogOutput(() => {
    asked += 1
    if (asked > 10) throw new Error('asked for ever')
    return 0
  })
  log.write('one\n')
  log.write('two\n')
  t.equal(asked, 2, 'once for each line')
})
