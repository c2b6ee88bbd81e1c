import { chmodSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import t from 'tap'
import { pullCanary } from '../../src/cli/canary.ts'
import { temporaryDirectory } from '../support/gate.ts'

/** A script in the place of podman: what is tested is how its output is read, not podman. */
const table = [
  { script: 'exit 0', outcome: 'arrived' },
  { script: 'echo blocked by image policy; exit 0', outcome: 'arrived' },
  { script: 'echo denied: blocked by image policy: x >&2; exit 125', outcome: 'refused' },
  { script: 'echo connection refused >&2; exit 125', outcome: 'unclear' },
]

t.test('only our own refusal counts as refused', async t => {
  const directory = temporaryDirectory(t)
  const path = process.env['PATH'] ?? ''
  t.teardown(() => void (process.env['PATH'] = path))
  process.env['PATH'] = `${directory}${delimiter}${path}`
  for (const { script, outcome } of table) {
    writeFileSync(join(directory, 'podman'), `#!/bin/sh\n${script}\n`)
    chmodSync(join(directory, 'podman'), 0o755)
    t.equal((await pullCanary('podman', 'gate.example/canary:deny')).outcome, outcome, script)
  }
})
