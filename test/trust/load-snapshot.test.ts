import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { loadSnapshot, type AskBroker, type LoadedSnapshot } from '../../src/trust/load-snapshot.ts'
import { temporaryDirectory } from '../support/gate.ts'
import { ecdsaSigner } from '../support/signer.ts'

const MIB = 1024 * 1024
const KEY = Buffer.from(ecdsaSigner().publicPem)
const OTHER = Buffer.from(ecdsaSigner().publicPem)

/** A policy that asks for a signature by each of these keys, one scope each. */
function policyOf(places: readonly string[]): string {
  const scopes = places.map((keyPath, index) => [`example.org/r${index}`, [{ type: 'sigstoreSigned', keyPath }]])
  return JSON.stringify({ default: [{ type: 'reject' }], transports: { docker: Object.fromEntries(scopes) } })
}

type Teardown = Parameters<typeof temporaryDirectory>[0]

function load(
  t: Teardown,
  places: readonly string[],
  askBroker: AskBroker | undefined,
  directory = temporaryDirectory(t),
): Promise<LoadedSnapshot> {
  const path = join(directory, 'policy.json')
  writeFileSync(path, policyOf(places))
  const options = { policy: { kind: 'file', path }, settings: [], askBroker, askTuf: undefined } as const
  return loadSnapshot(options, AbortSignal.timeout(60_000))
}

function resources(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `kbs:///default/cosign-public-key/k${index}`)
}

t.test('case 191: ten thousand keys are asked for a few at a time, and count together or not at all', async t => {
  let underWay = 0
  let most = 0
  const asked: string[] = []
  const broker =
    (isThere: (name: string) => boolean): AskBroker =>
    async ({ name }) => {
      asked.push(name)
      underWay += 1
      most = Math.max(most, underWay)
      await new Promise(resolve => setImmediate(resolve))
      underWay -= 1
      if (!isThere(name)) throw new Error(`the broker has no ${name}`)
      return { bytes: KEY, from: 'the broker' }
    }
  const names = resources(10_000)
  const { snapshot } = await load(
    t,
    names,
    broker(() => true),
  )
  t.equal(snapshot.trust.size, 10_000)
  t.equal(most, 16, 'so many at once')
  t.equal(asked.length, 10_000, 'each once')
  await t.rejects(
    load(
      t,
      names,
      broker(name => !name.endsWith('/k5000')),
    ),
    {
      name: 'TrustError',
      code: 'UNREADABLE',
      problems: [/has no .*k5000$/],
    },
  )
  asked.length = 0
  await t.rejects(
    load(
      t,
      names,
      broker(() => false),
    ),
    { name: 'TrustError', code: 'UNREADABLE' },
  )
  t.ok(asked.length < 100, `a broker that has none of them is asked for ${asked.length}, not for all`)
})

t.test('case 191: 64 MiB of keys together, and not a byte more', async t => {
  // Too long to be keys, which is found out only where they are not too many bytes.
  const broker =
    (last: number): AskBroker =>
    async ({ name }) => ({ bytes: Buffer.alloc(name.endsWith('/k63') ? last : MIB, '\n'), from: 'the broker' })
  await t.rejects(load(t, resources(64), broker(MIB)), { message: /k63 is not a single PEM block/ }, 'L')
  await t.rejects(
    load(t, resources(64), broker(MIB + 1)),
    { message: /^the policy's keys, certificates and keyrings are more than 67108864 bytes together$/ },
    'L+1',
  )
})

t.test('case 196: keys that change between reading policy and keys are read again, all of them', async t => {
  const table: readonly { readonly it: string; readonly set: (directory: string, key: Buffer) => void }[] = [
    {
      it: 'a file that is renamed over another',
      set: (directory, key) => {
        writeFileSync(join(directory, 'new.pub'), key)
        renameSync(join(directory, 'new.pub'), join(directory, 'cosign.pub'))
      },
    },
    {
      it: 'a ConfigMap, whose ..data is swapped',
      set: (directory, key) => {
        const version = `..${Date.now()}.${Math.random()}`
        mkdirSync(join(directory, version))
        writeFileSync(join(directory, version, 'cosign.pub'), key)
        symlinkSync(version, join(directory, '..data.new'))
        renameSync(join(directory, '..data.new'), join(directory, '..data'))
        rmSync(join(directory, 'cosign.pub'), { force: true })
        symlinkSync('..data/cosign.pub', join(directory, 'cosign.pub'))
      },
    },
  ]
  for (const { it, set } of table) {
    const directory = temporaryDirectory(t)
    set(directory, KEY)
    const places = ['cosign.pub', ...resources(1)]
    let changes = 0
    const swapping =
      (times: number): AskBroker =>
      async () => {
        // The first key may have been read by now; with a pause it certainly has.
        await new Promise(resolve => setTimeout(resolve, 20))
        if (changes < times) set(directory, changes % 2 === 0 ? OTHER : KEY)
        changes += 1
        return { bytes: KEY, from: 'the broker' }
      }
    const { snapshot } = await load(t, places, swapping(1), directory)
    const own = snapshot.materials.find(({ place }) => place === 'cosign.pub')
    t.ok(own && OTHER.equals(own.bytes), `${it}: what is there at the end counts`)
    t.equal(changes, 2, 'after a second look')
    changes = 0
    await t.rejects(load(t, places, swapping(Infinity), directory), { name: 'TrustError', code: 'UNSTABLE' }, it)
    t.equal(changes, 4, 'and there is no snapshot of keys that never keep still')
  }
})
