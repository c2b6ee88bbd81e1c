import t from 'tap'
import { imageOf } from '../support/signer.ts'
import { scene } from './scene.ts'

/**
 * Case 31: an exception at any step of a pull never lets a manifest out. Each part of the engine is made to throw, or to
 * answer nothing, one function at a time, under a real server.
 */
const STEPS = [
  ['snapshots', 'fresh', 'sync'],
  ['snapshots', 'current', 'async'],
  ['manifests', 'peek', 'sync'],
  ['manifests', 'get', 'async'],
  ['judge', 'peek', 'sync'],
  ['judge', 'judge', 'async'],
  ['upstreams', 'forHost', 'sync'],
] as const

const FAULTS: readonly { readonly it: string; readonly kind?: 'async'; readonly instead: () => unknown }[] = [
  {
    it: 'throws',
    instead: () => {
      throw new Error('injected')
    },
  },
  { it: 'rejects', kind: 'async', instead: () => Promise.reject(new Error('injected')) },
  { it: 'gives nothing', instead: () => undefined },
  { it: 'gives null', instead: () => null },
  { it: 'gives an empty object', instead: () => ({}) },
  { it: 'promises nothing', kind: 'async', instead: async () => undefined },
]

for (const [part, step, kind] of STEPS) {
  t.test(`${part}.${step}`, async t => {
    for (const { it, kind: needs, instead } of FAULTS) {
      if (needs === 'async' && kind === 'sync') continue
      const { registry, gate, pull } = await scene(t)
      const refused = registry.put('unsigned', imageOf(`${part} ${step} ${it}`), '1')
      Object.defineProperty(gate.engine[part], step, { value: instead })
      for (const name of ['1', refused.digest]) {
        for (const method of ['GET', 'HEAD']) {
          const answer = await pull(`unsigned/manifests/${name}`, { method })
          t.ok(answer.status >= 400, `${it}: ${method} ${name.slice(0, 8)} is ${answer.status}`)
          t.notOk(answer.body.includes(refused.bytes), 'no byte of it leaves')
          t.equal(answer.headers.get('docker-content-digest'), null)
        }
      }
    }
  })
}

t.test('a failure inside is told to the log, not to the client', async t => {
  const { registry, gate, pull, signer } = await scene(t)
  registry.putSigned('test', '1', signer, 'example.org')
  Object.defineProperty(gate.engine.judge, 'judge', {
    value: () => {
      throw new Error('a secret of the inside')
    },
  })
  const answer = await pull('test/manifests/1')
  t.equal(answer.status, 500)
  t.notMatch(answer.body.toString(), /secret/)
})
