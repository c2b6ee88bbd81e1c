import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { trustedRootOf, type Json } from '../support/local-sigstore.ts'
import { temporaryDirectory } from '../support/gate.ts'
import { tufAttacks } from '../support/tuf-attacks.ts'
import { startTufServer } from '../support/tuf-repository.ts'

/**
 * The attacks of test/tuf on cosign's own TUF client, by `cosign initialize`: the gate refuses all of them
 * (test/tuf/tuf-source.test.ts), and cosign all but these.
 */
const cosign3 = process.env['COSIGN3']
const missing = cosign3 === undefined ? 'needs COSIGN3' : undefined
if (missing !== undefined && process.env['CI'] === 'true') throw new Error(missing)

const two = trustedRootOf([], (root: Json) => (root['timestampAuthorities'] = []))
const { pinned, files, newer, attacks } = tufAttacks({ one: trustedRootOf([]), two })

/** Where `cosign initialize` of 3.1.3 ends well, and the gate does not. */
const STRICTER: ReadonlySet<string> = new Set([
  // With --root it starts anew each time, and remembers no versions.
  'CVE-2022-29173: an older timestamp',
  'CVE-2022-29173: an older snapshot',
  'CVE-2022-29173: older targets',
  // As seen: the hashes that metadata give of each other are not what decides.
  'mix and match: the snapshot of another timestamp',
  // Only a warning there.
  'a target that is no longer listed',
  'a target that is signed and of no use',
])

type Teardown = Parameters<typeof temporaryDirectory>[0]

async function openClient(t: Teardown, program: string, mirror: string): Promise<() => Promise<number | null>> {
  const directory = temporaryDirectory(t)
  const root = join(directory, 'root.json')
  writeFileSync(root, pinned)
  const env = { ...process.env, HOME: directory, TUF_ROOT: join(directory, 'tuf') }
  return async () => {
    const child = spawn(program, ['initialize', '--mirror', mirror, '--root', root], { stdio: 'ignore', env })
    return new Promise((resolve, reject) => child.on('error', reject).on('exit', resolve))
  }
}

t.test('the TUF client of cosign 3 on the same repositories', { skip: missing ?? false, timeout: 300_000 }, async t => {
  if (cosign3 === undefined) throw new Error('skipped')
  const server = await startTufServer(t)
  const honest = await openClient(t, cosign3, server.url)
  server.files = files()
  t.equal(await honest(), 0, 'a repository of the tests is one')
  server.files = newer()
  t.equal(await honest(), 0, 'and a newer one')
  t.ok(
    [...STRICTER].every(name => attacks.some(({ it }) => it === name)),
    'the list of differences is of today',
  )
  for (const { it, files: make } of attacks) {
    const initialize = await openClient(t, cosign3, server.url)
    server.files = files()
    t.equal(await initialize(), 0)
    server.files = make()
    const isTaken = (await initialize()) === 0
    t.equal(isTaken, STRICTER.has(it), it)
  }
})
