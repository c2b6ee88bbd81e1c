import { sign } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { temporaryDirectory } from '../support/gate.ts'
import { indexOf, payloadOf, sigManifest, signatureLayer, sigTag, imageOf } from '../support/signer.ts'
import { alternativeNames, authority, extendedKeyUsage, issue, keyUsage, OID, pem } from '../support/x509.ts'
import { HOST } from './scene.ts'
import { replicas } from './shared-scene.ts'

const EMAIL = 'alice@example.org'
const LIFE_MS = 3000

t.test('nothing is believed for longer than the certificate that it rests on (case 179)', async t => {
  const root = authority('root')
  const directory = temporaryDirectory(t)
  const caRootsPath = join(directory, 'root.pem')
  writeFileSync(caRootsPath, pem(root))
  const { redis, registry, replica } = await replicas(t, () => ({
    default: [{ type: 'reject' }],
    transports: { docker: { [HOST]: [{ type: 'sigstoreSigned', pki: { caRootsPath, subjectEmail: EMAIL } }] } },
  }))
  const notAfter = new Date(Math.ceil((Date.now() + LIFE_MS) / 1000) * 1000)
  const extensions = [keyUsage(0x80), extendedKeyUsage(OID.codeSigning), alternativeNames({ email: EMAIL })]
  const leaf = issue({ subject: '', issuer: root, notAfter, extensions })
  const child = imageOf('certified')
  const index = indexOf([child.manifest])
  registry.put('certified', child)
  registry.put('certified', { manifest: index, blobs: [] }, '1')
  const signer = { sign: (bytes: Uint8Array): Uint8Array => sign('sha256', bytes, leaf.keys.privateKey), publicPem: '' }
  const layer = signatureLayer(signer, payloadOf(index.digest, `${HOST}/certified`))
  const annotations = { ...layer.annotations, 'dev.sigstore.cosign/certificate': pem(leaf) }
  registry.put('certified', sigManifest([{ ...layer, annotations }]), sigTag(index.digest))

  const ttls: number[] = []
  redis.script = ([name, , , , ttl]) => {
    if (name?.toString() === 'set') ttls.push(Number(ttl?.toString()))
    return false
  }
  const [a, b] = [await replica(), await replica()]
  const names = ['1', index.digest, child.manifest.digest].map(name => `certified/manifests/${name}`)
  for (const gate of [a, b]) for (const name of names) t.equal((await gate.pull(name)).status, 200, name)
  t.ok(ttls.length > 1 && ttls.every(ttl => ttl > 0 && ttl <= LIFE_MS + 1000), `told for ${ttls.join(', ')} ms`)

  await sleep(notAfter.getTime() + 1100 - Date.now())
  const late = await replica()
  for (const gate of [a, b, late]) for (const name of names) t.equal((await gate.pull(name)).status, 403, name)
})
