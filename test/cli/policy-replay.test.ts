import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { run } from '../../src/cli/run.ts'
import { parseRecord } from '../../src/observe/recorded-decision.ts'
import { scene } from '../gate/scene.ts'
import { temporaryDirectory, writePolicy } from '../support/gate.ts'
import { imageOf, indexOf } from '../support/signer.ts'

type Outcome = { readonly exit: number; readonly stdout: string; readonly stderr: string }

async function sealgate(...args: readonly string[]): Promise<Outcome> {
  let stdout = ''
  let stderr = ''
  const exit = await run(args, {
    stdout: text => void (stdout += text),
    stderr: text => void (stderr += text),
    onSignal: () => {},
  })
  return { exit, stdout, stderr }
}

/** An audit log as the gate itself wrote it, and a command line that replays it. */
async function recorded(t: Parameters<typeof scene>[0]) {
  const directory = temporaryDirectory(t)
  const audit = join(directory, 'audit.jsonl')
  const there = await scene(t, {
    config: { audit: { file: audit }, modes: [{ scope: 'example.org/audited', mode: 'audit' }] },
  })
  const { registry, signer, pull, gate, policyFile } = there
  registry.putSigned('signed', '1', signer, 'example.org')
  registry.put('unsigned', imageOf('unsigned'), '1')
  registry.put('audited', imageOf('audited'), '1')
  const child = registry.put('multi', imageOf('child'))
  const index = registry.put('multi', { manifest: indexOf([child]), blobs: [] }, '1')
  registry.sign('multi', index, signer, 'example.org/multi')
  const names = ['signed/manifests/1', 'signed/manifests/1', 'unsigned/manifests/1', 'audited/manifests/1']
  for (const name of names) await pull(name)
  await pull('multi/manifests/1', { method: 'HEAD' })
  for (const digest of [index.digest, child.digest]) await pull(`multi/manifests/${digest}`)
  await gate.close()
  const config = join(directory, 'sealgate.yaml')
  writeFileSync(
    config,
    JSON.stringify({ policy: policyFile, registries: { 'example.org': { url: registry.url } }, cache: { tags: 0 } }),
  )
  const replay = (policy: unknown, ...files: readonly string[]): Promise<Outcome> => {
    const file = writePolicy(directory, policy, 'next.json')
    const logs = files.length === 0 ? [audit] : files
    return sealgate('policy', 'replay', '--audit', ...logs, '--policy', file, '--config', config)
  }
  return { ...there, audit, index, child, directory, replay }
}

const reject = [{ type: 'reject' }]
const accept = [{ type: 'insecureAcceptAnything' }]

t.test('recorded pulls judged again: the same policy says the same, of indexes and tags too', async t => {
  const { replay, audit, index, child } = await recorded(t)
  const records = readFileSync(audit, 'utf8').trim().split('\n')
  t.equal(records.length, 7)
  t.match(
    records.map(line => JSON.parse(line).via),
    [
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
      { by: 'tag', tag: '1' },
      { by: 'index', index: index.digest },
    ],
  )
  const all = await replay({ default: accept })
  t.equal(all.exit, 1)
  t.match(
    all.stdout,
    /differs {2}example\.org\/unsigned:1@sha256:[0-9a-f]{64} {2}was refused, would be accepted: policy\n/,
  )
  t.match(all.stdout, /differs {2}example\.org\/audited:1@.* was refused, would be accepted/)
  t.match(all.stdout, /7 pulls: 5 the same, 2 differ, 0 could not be judged again\n$/)
  const none = await replay({ default: reject, transports: { docker: { 'example.org/unsigned': accept } } })
  t.match(
    none.stdout,
    /differs {2}example\.org\/signed:1@.* was accepted, would be refused: is rejected by the policy \(2 pulls\)/,
  )
  t.match(none.stdout, `example.org/multi@${child.digest}`)
  t.match(none.stdout, /7 pulls: 1 the same, 6 differ, 0 could/)
})

t.test('under the policy in force nothing differs, even where the record of the index is not in the log', async t => {
  const { replay, audit, policyFile, registry } = await recorded(t)
  const policy = JSON.parse(readFileSync(policyFile, 'utf8'))
  const same = await replay(policy)
  t.same([same.exit, same.stdout], [0, '7 pulls: 7 the same, 0 differ, 0 could not be judged again\n'])
  const later = `${audit}.later`
  writeFileSync(later, readFileSync(audit, 'utf8').trim().split('\n').slice(-2).join('\n'))
  const rest = await replay(policy, later)
  t.same([rest.exit, rest.stdout], [0, '2 pulls: 2 the same, 0 differ, 0 could not be judged again\n'])
  // Fetched by the recorded digest: a tag that was moved meanwhile is no matter.
  registry.put('signed', imageOf('moved'), '1')
  t.equal((await replay(policy)).exit, 0)
})

t.test('what the upstream has no more, or cannot give, is told and counted', async t => {
  const { replay, registry, policyFile, audit } = await recorded(t)
  const policy = JSON.parse(readFileSync(policyFile, 'utf8'))
  for (const key of registry.manifests.keys()) if (key.startsWith('signed sha256:')) registry.manifests.delete(key)
  const gone = await replay(policy)
  t.equal(gone.exit, 2)
  t.match(gone.stdout, /gone {5}example\.org\/signed:1@.* the upstream has it no more \(2 pulls\)/)
  registry.script = (_request, response) => {
    response.writeHead(500).end()
    return true
  }
  const failed = await replay(policy)
  t.equal(failed.exit, 2)
  t.match(failed.stdout, /failed {3}example\.org\/signed:1@/)
  t.match(failed.stdout, /7 pulls: 0 the same, 0 differ, 7 could not/)
  const mixed = `${audit}.mixed`
  writeFileSync(mixed, 'no json\n\n{"reference":"example.org/a"}\n')
  const broken = await replay(policy, mixed)
  t.match(broken.stderr, /mixed:1: left out: .*\n.*mixed:3: left out: /)
  t.match(broken.stdout, /^0 pulls/)
  t.equal((await replay(policy, '/nowhere/audit.jsonl')).exit, 2)
  t.match((await replay({})).stderr, /next\.json/)
})

t.test('only records of decisions are taken', async t => {
  const digest = `sha256:${'a'.repeat(64)}`
  const record = { reference: 'example.org/a:1', digest, verdict: 'accepted', code: 'policy' }
  const table = [
    { it: 'a record', change: {}, outcome: 'accepted' },
    { it: 'an exception', change: { verdict: 'excepted' }, outcome: 'refused' },
    { it: 'audit mode', change: { verdict: 'audited', code: 'reject' }, outcome: 'refused' },
    { it: 'audit mode, open', change: { verdict: 'audited', code: 'undecided' }, outcome: 'undecided' },
    { it: 'another verdict', change: { verdict: 'perhaps' }, outcome: undefined },
    { it: 'no host', change: { reference: 'a:1' }, outcome: undefined },
    { it: 'no tag', change: { reference: 'example.org/a' }, outcome: undefined },
    { it: 'no digest', change: { digest: 'sha256:1' }, outcome: undefined },
    { it: 'a number', change: { verdict: 1 }, outcome: undefined },
    { it: 'a broken index', change: { via: { by: 'index', index: '..' } }, outcome: undefined },
  ]
  for (const { it, change, outcome } of table) {
    const parsed = parseRecord(JSON.stringify({ ...record, ...change }))
    t.equal(parsed.ok ? parsed.recorded.outcome : undefined, outcome, it)
  }
  t.notOk(parseRecord('[]').ok)
})
