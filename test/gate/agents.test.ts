import t from 'tap'
import { startApiServerRest } from '../support/api-server-rest.ts'
import { startAttestationAgent, type TestAgent } from '../support/attestation-agent.ts'
import { startEvilRegistry } from '../support/evil-registry.ts'
import { startGate, temporaryDirectory, writePolicy } from '../support/gate.ts'
import type { Resources } from '../support/resources-file.ts'
import { ecdsaSigner } from '../support/signer.ts'
import { get, signedPolicy } from './scene.ts'

const KEY_PATH = '/run/image-security/cosign-test-that-is-not-there/cosign.pub'
const signer = ecdsaSigner()
const named: Resources = {
  from: 'map',
  map: { Policy: JSON.stringify(signedPolicy(KEY_PATH)), 'Cosign Key': signer.publicPem },
}
const byPath: Resources = {
  from: 'map',
  map: {
    'default/security-policy/test': JSON.stringify(signedPolicy(KEY_PATH)),
    'default/cosign-public-key/test': signer.publicPem,
  },
}

type Teardown = Parameters<typeof startGate>[0]

async function gateWith(t: Teardown, policy: unknown, keyBroker: object) {
  const registry = await startEvilRegistry(t)
  registry.putSigned('test', '1', signer, 'example.org')
  const running = await startGate(t, {
    policy,
    registries: { 'example.org': { url: registry.url } },
    cache: { tags: 0, refused: 0 },
    keyBroker: { refresh: 0.2, timeout: 0.3, ...keyBroker },
  })
  return {
    status: async () => (await get(`${running.url}/v2/example.org/test/manifests/1`)).status,
    problem: async (): Promise<string | undefined> =>
      JSON.parse((await get(`${running.adminUrl}/readyz`)).body.toString()).problem,
  }
}

async function eventually(isSo: () => Promise<boolean>): Promise<boolean> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    if (await isSo()) return true
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  return false
}

t.test('policy and key over each broker’s wire', async t => {
  const agents = [
    { kind: 'attestation-agent-2022', generation: '2022', resources: named, policy: { resource: 'Policy' } },
    {
      kind: 'attestation-agent-2023',
      generation: '2023',
      resources: byPath,
      policy: 'kbs:///default/security-policy/test',
    },
    { kind: 'cdh-grpc', generation: 'cdh', resources: byPath, policy: 'kbs:///default/security-policy/test' },
  ] as const
  for (const { kind, generation, resources, policy } of agents) {
    const agent = await startAttestationAgent({ generation, resources })
    t.teardown(() => agent.close())
    const gate = await gateWith(t, policy, { kind, address: agent.address })
    t.equal(await gate.status(), 200, kind)
    if (kind === 'attestation-agent-2022') {
      t.match(agent.requests[0], {
        KbcName: 'offline_fs_kbc',
        KbsUri: 'null',
        ResourceDescription: '{"name":"Policy","optional":{}}',
      })
    }
  }
  const rest = await startApiServerRest({ resources: byPath })
  t.teardown(() => rest.close())
  const gate = await gateWith(t, 'kbs:///default/security-policy/test', { kind: 'cdh', address: rest.address })
  t.equal(await gate.status(), 200, 'cdh by api-server-rest')
})

t.test('over a unix socket', async t => {
  const agent = await startAttestationAgent({
    generation: '2023',
    resources: byPath,
    socket: `${temporaryDirectory(t)}/aa.sock`,
  })
  t.teardown(() => agent.close())
  const gate = await gateWith(t, writePolicy(temporaryDirectory(t), signedPolicy(KEY_PATH)), {
    kind: 'attestation-agent-2023',
    address: agent.address,
  })
  t.equal(await gate.status(), 200)
})

t.test('the wrong generation is named, and lets nothing through', async t => {
  const table = [
    { configured: 'attestation-agent-2022', generation: '2023', says: /2023/ },
    { configured: 'attestation-agent-2023', generation: '2022', says: /2022/ },
    { configured: 'cdh-grpc', generation: '2023', says: /attestation-agent/ },
  ] as const
  for (const { configured, generation, says } of table) {
    const agent = await startAttestationAgent({ generation, resources: generation === '2022' ? named : byPath })
    t.teardown(() => agent.close())
    const gate = await gateWith(t, writePolicy(temporaryDirectory(t), signedPolicy(KEY_PATH)), {
      kind: configured,
      address: agent.address,
    })
    t.equal(await gate.status(), 503, `${configured} before ${generation}`)
    t.match(await gate.problem(), says)
  }
})

t.test(
  'cases 184 to 186: down, slow or broken at the start: 503 until it is there; later: the last good policy',
  async t => {
    const faults: readonly { it: string; on: (agent: TestAgent) => unknown; off: (agent: TestAgent) => unknown }[] = [
      { it: 'down', on: agent => agent.stop(), off: agent => agent.start() },
      { it: 'hanging', on: agent => agent.setFault({ kind: 'hang' }), off: agent => agent.setFault({ kind: 'none' }) },
      {
        it: 'resetting',
        on: agent => agent.setFault({ kind: 'connection', fault: 'reset' }),
        off: agent => agent.setFault({ kind: 'none' }),
      },
      {
        it: 'empty',
        on: agent => agent.setFault({ kind: 'bytes', bytes: new Uint8Array() }),
        off: agent => agent.setFault({ kind: 'none' }),
      },
      {
        it: 'refusing',
        on: agent => agent.setFault({ kind: 'status', code: 13, details: 'no' }),
        off: agent => agent.setFault({ kind: 'none' }),
      },
      {
        it: 'oversized',
        on: agent => agent.setFault({ kind: 'bytes', bytes: new Uint8Array(2 * 1024 * 1024) }),
        off: agent => agent.setFault({ kind: 'none' }),
      },
    ]
    for (const { it, on, off } of faults) {
      const agent = await startAttestationAgent({ generation: '2023', resources: byPath })
      t.teardown(() => agent.close())
      await on(agent)
      const gate = await gateWith(t, 'kbs:///default/security-policy/test', {
        kind: 'attestation-agent-2023',
        address: agent.address,
      })
      t.equal(await gate.status(), 503, `${it}: at the start`)
      await off(agent)
      t.ok(await eventually(async () => (await gate.status()) === 200), `${it}: there at last`)
      await on(agent)
      t.ok(await eventually(async () => (await gate.problem()) !== undefined), `${it}: noticed`)
      t.equal(await gate.status(), 200, `${it}: the last good policy`)
    }
  },
)
