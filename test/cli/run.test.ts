import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { run } from '../../src/cli/run.ts'
import { temporaryDirectory } from '../support/gate.ts'

const DEMO = fileURLToPath(new URL('../../config/demo.yaml', import.meta.url))
const HEX64 = /[0-9a-f]{64}/

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

t.test('verify judges as the gate does: 0 accepted, 1 refused, 2 undecided', async t => {
  const table = [
    { image: 'example.org/signed:latest', exit: 0, says: /^accepted: signed by cosign\.pub\n/ },
    { image: 'example.org/signed', exit: 0, says: /image {3}example\.org\/signed:latest/ },
    { image: 'example.org/multiarch:latest', exit: 0, says: /✓ a signature by cosign\.pub: met/ },
    { image: 'example.org/unsigned:latest', exit: 1, says: /^refused: needs a signature by cosign\.pub, found none\n/ },
    {
      image: 'example.org/wrong-key:latest',
      exit: 1,
      says: /✗ sha256-[0-9a-f]{64}\.sig layer 0\n\s+not made with cosign\.pub/,
    },
    { image: 'example.org/tampered:latest', exit: 1, says: /signed by cosign\.pub, but about sha256:/ },
    { image: 'example.org/nothing:latest', exit: 2, says: /^$/ },
    { image: 'elsewhere.example/a:1', exit: 2, says: /^$/ },
    { image: 'Not A Reference', exit: 2, says: /^$/ },
  ]
  for (const { image, exit, says } of table) {
    const outcome = await sealgate('verify', image, '--config', DEMO)
    t.equal(outcome.exit, exit, image)
    t.match(outcome.stdout, says)
    if (outcome.stdout === '') t.match(outcome.stderr, /^sealgate: .+\n$/, 'and says why')
  }
})

t.test('verify --json is the whole decision as data', async t => {
  const { stdout } = await sealgate('verify', 'example.org/wrong-key:latest', '--config', DEMO, '--json')
  t.match(JSON.parse(stdout), {
    verdict: 'refused',
    reference: 'example.org/wrong-key:latest',
    digest: HEX64,
    scope: 'example.org',
    requirements: [{ outcome: 'unmet', signatures: [{ counts: false, code: 'UNTRUSTED_SIGNER' }] }],
  })
})

t.test('keys lists where each key came from, with its fingerprint', async t => {
  const { exit, stdout } = await sealgate('keys', '--config', DEMO)
  t.equal(exit, 0)
  t.match(stdout, /^SCOPE +KEY +FROM +FINGERPRINT/)
  t.match(stdout, /docker example\.org +keys\/cosign\.pub +disk +SHA256:[0-9a-f]{64}\n/)
})

t.test('policy check names every error with path, line and column', async t => {
  const directory = temporaryDirectory(t)
  const file = join(directory, 'policy.json')
  const check = (text: string, ...flags: readonly string[]): Promise<Outcome> => {
    writeFileSync(file, text)
    return sealgate('policy', 'check', file, ...flags)
  }
  const good = await check('{"default":[{"type":"reject"}]}')
  t.same([good.exit, good.stdout], [0, `${file}: a valid policy\n`])
  const bad = await check(
    '{\n  "default": [],\n  "transports": { "docker": { "quay.io": [{ "type": "sigstoreSigned", "keypath": "x" }] } }\n}',
  )
  t.equal(bad.exit, 1)
  t.match(bad.stderr, /default: a list of requirements must not be empty \(line 2, column 14\)/)
  t.match(bad.stderr, /transports\.docker\["quay\.io"\]\[0\]: unknown key "keypath" \(line 3, column \d+\)/)
  const keyed = '{"default":[{"type":"sigstoreSigned","keyPath":"absent.pub"}]}'
  t.equal((await check(keyed)).exit, 0)
  const followed = await check(keyed, '--keys')
  t.equal(followed.exit, 1)
  t.match(followed.stderr, /absent\.pub/)
  t.equal((await sealgate('policy', 'check', join(directory, 'nothing.json'))).exit, 1)
})

t.test('help is there for every command, and a wrong call is told from a right one', async t => {
  for (const args of [
    ['--help'],
    ['serve', '--help'],
    ['verify', '--help'],
    ['policy', '--help'],
    ['policy', 'check', '--help'],
    ['keys', '--help'],
  ]) {
    const { exit, stdout } = await sealgate(...args)
    t.equal(exit, 0, args.join(' '))
    t.match(stdout, /^Usage: sealgate/)
  }
  for (const args of [['verify'], ['verify', 'a'], ['nothing'], ['serve', '--colour']]) {
    const { exit, stderr } = await sealgate(...args)
    t.equal(exit, 2, args.join(' '))
    t.match(stderr, /error: /)
  }
})

t.test('serve does not start on what it cannot use, and says what is wrong', async t => {
  const directory = temporaryDirectory(t)
  const config = join(directory, 'sealgate.yaml')
  const table = [
    { it: 'no file', text: undefined, says: /cannot be read/ },
    { it: 'no YAML', text: 'a: [', says: /line 1/ },
    {
      it: 'an unknown setting',
      text: 'policy: p.json\nregistries: { a.example: { layout: x } }\nlisten-on: x\n',
      says: /listen-on/,
    },
    {
      it: 'no policy',
      text: 'policy: p.json\nlisten: 127.0.0.1:0\nadmin: 127.0.0.1:0\nregistries: { a.example: { layout: x } }\n',
      says: /p\.json: no such file/,
    },
  ]
  for (const { it, text, says } of table) {
    if (text !== undefined) writeFileSync(config, text)
    const { exit, stderr } = await sealgate('serve', '--config', config)
    t.equal(exit, 1, it)
    t.match(stderr, says)
  }
})
