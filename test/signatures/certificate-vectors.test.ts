import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { digestOf, hexOf, parseDigest } from '../../src/reference/digest.ts'
import { parseCaCertificates } from '../../src/signatures/certificate-trust.ts'
import { parsePublicKeyPem } from '../../src/signatures/public-key.ts'
import type { TrustMaterial } from '../../src/signatures/trust-material.ts'
import { verifySignature } from '../../src/signatures/verify-signature.ts'
import { sharedFolder } from '../support/shared.ts'

const vectors = sharedFolder('vectors/containers-image')
const skip = vectors === undefined && '../shared is absent'

const CERTIFICATE = 'dev.sigstore.cosign/certificate'
const CHAIN = 'dev.sigstore.cosign/chain'
const BUNDLE = 'dev.sigstore.cosign/bundle'

type Descriptor = { readonly digest: string; readonly annotations?: Readonly<Record<string, string>> }

/** An image of the vectors with its one `.sig` signature, as containers/image would be given them. */
function fixture(name: string): {
  readonly image: Buffer
  readonly payload: Buffer
  readonly annotations: ReadonlyMap<string, string>
} {
  const layout = join(vectors ?? '', 'layouts/fixtures.example', name)
  const blob = (digest: string): Buffer => {
    const parsed = parseDigest(digest)
    if (parsed === undefined) throw new Error(`${digest} is no digest`)
    return readFileSync(join(layout, 'blobs/sha256', hexOf(parsed)))
  }
  const index: { manifests: readonly Descriptor[] } = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8'))
  const tagged = (ends: string): Buffer => {
    const found = index.manifests.find(one => one.annotations?.['org.opencontainers.image.ref.name']?.endsWith(ends))
    if (found === undefined) throw new Error(`${name} has no ${ends}`)
    return blob(found.digest)
  }
  const manifest: { layers: readonly Descriptor[] } = JSON.parse(tagged('.sig').toString())
  const [layer] = manifest.layers
  if (layer === undefined) throw new Error(`${name} has no signature`)
  const annotations = new Map(Object.entries(layer.annotations ?? {}))
  return { image: tagged('latest'), payload: blob(layer.digest), annotations }
}

async function verdict(
  name: string,
  trust: TrustMaterial,
  change: {
    annotations?: Readonly<Record<string, (old: string) => string | undefined>>
    payload?: (old: Buffer) => Buffer
    now?: Date
  } = {},
): Promise<string> {
  const { image, payload, annotations } = fixture(name)
  const changed = new Map(annotations)
  for (const [key, replace] of Object.entries(change.annotations ?? {})) {
    const value = replace(annotations.get(key) ?? '')
    if (value === undefined) changed.delete(key)
    else changed.set(key, value)
  }
  const check = await verifySignature({
    signature: {
      format: 'simple-signing',
      origin: { place: 'sig-tag', name },
      untrustedPayload: change.payload?.(payload) ?? payload,
      untrustedAnnotations: changed,
    },
    trust,
    subject: { bytes: image, digest: digestOf(image) },
    now: change.now ?? new Date('2026-11-01T00:00:00Z'),
  })
  return check.verified ? `accepted ${check.signature.loggedAt?.toISOString() ?? ''}`.trim() : check.rejection.code
}

const keyFile = (name: string): Buffer => readFileSync(join(vectors ?? '', 'keys', name))
const ca = (name: string) => parseCaCertificates(keyFile(name), name)
const key = (name: string) => parsePublicKeyPem(keyFile(name), name)
const drop = (): undefined => undefined

t.test('what cosign, Fulcio and Rekor themselves have signed', { skip }, async t => {
  const name = 'cosign-fulcio-rekor-valid'
  const loggedAt = 'accepted 2023-01-20T20:51:33.000Z'
  const trust = {
    roots: ca('fulcio_v1.crt.pem'),
    oidcIssuer: 'https://github.com/login/oauth',
    subjectEmail: 'mitr@redhat.com',
  }
  const rekorKeys = [key('rekor.pub')]
  const fulcio: TrustMaterial = { by: 'fulcio', trust, rekorKeys }
  t.equal(await verdict(name, fulcio), loggedAt)
  t.equal(await verdict(name, { ...fulcio, trust: { ...trust, subjectEmail: 'Mitr@redhat.com' } }), 'WRONG_SIGNER')
  t.equal(
    await verdict(name, { ...fulcio, trust: { ...trust, oidcIssuer: 'https://github.com/login' } }),
    'WRONG_SIGNER',
  )
  t.equal(await verdict(name, { ...fulcio, trust: { ...trust, roots: ca('pki_root_crts.pem') } }), 'UNTRUSTED_SIGNER')
  t.equal(await verdict(name, { ...fulcio, rekorKeys: [key('cosign.pub')] }), 'NOT_LOGGED')
  for (const annotation of [BUNDLE, CERTIFICATE, CHAIN]) {
    t.notMatch(await verdict(name, fulcio, { annotations: { [annotation]: drop } }), 'accepted', `no ${annotation}`)
  }
  const foreign = fixture('cosign-key-rekor-valid').annotations.get(BUNDLE)
  t.equal(
    await verdict(name, fulcio, { annotations: { [BUNDLE]: () => foreign } }),
    'NOT_LOGGED',
    'case 1: another entry',
  )
  t.equal(await verdict(name, fulcio, { payload: old => Buffer.concat([old, Buffer.from(' ')]) }), 'NOT_LOGGED')
  const later = (old: string): string => old.replace('"integratedTime":1674247893', '"integratedTime":1674247894')
  t.not(later(fixture(name).annotations.get(BUNDLE) ?? ''), fixture(name).annotations.get(BUNDLE))
  t.equal(await verdict(name, fulcio, { annotations: { [BUNDLE]: later } }), 'NOT_LOGGED', 'a second later')
  t.equal(await verdict(name, fulcio, { now: new Date('2023-01-20T20:00:00Z') }), 'NOT_LOGGED', 'case 4')
  const onlyRoot = (old: string): string => old.slice(old.lastIndexOf('-----BEGIN'))
  const onlyIntermediate = (old: string): string => old.slice(0, old.lastIndexOf('-----BEGIN'))
  for (const cut of [onlyRoot, onlyIntermediate]) {
    t.equal(await verdict(name, fulcio, { annotations: { [CHAIN]: cut } }), 'UNTRUSTED_SIGNER')
  }
})

t.test('a key that is in the log', { skip }, async t => {
  const name = 'cosign-key-rekor-valid'
  const trust = { by: 'keys', keys: [key('cosign2.pub')], rekorKeys: [key('rekor.pub')] } as const
  t.match(await verdict(name, trust), /^accepted 20/)
  t.equal(await verdict(name, { ...trust, keys: [key('cosign.pub')] }), 'UNTRUSTED_SIGNER')
  t.equal(await verdict(name, { ...trust, rekorKeys: [key('cosign.pub')] }), 'NOT_LOGGED')
  t.equal(await verdict(name, trust, { annotations: { [BUNDLE]: drop } }), 'NOT_LOGGED')
  const foreign = fixture('cosign-fulcio-rekor-valid').annotations.get(BUNDLE)
  t.equal(await verdict(name, trust, { annotations: { [BUNDLE]: () => foreign } }), 'NOT_LOGGED', 'case 1')
})

t.test('a certificate of a CA of one’s own', { skip }, async t => {
  const name = 'cosign-pki-valid'
  const trust = {
    roots: ca('pki_root_crts.pem'),
    intermediates: ca('pki_intermediate_crts.pem'),
    subjectEmail: 'qiwan@redhat.com',
    subjectHostname: 'myhost.example.com',
  }
  const pki: TrustMaterial = { by: 'pki', trust }
  t.equal(await verdict(name, pki), 'accepted')
  t.equal(await verdict(name, { ...pki, trust: { ...trust, subjectEmail: 'other@example.com' } }), 'WRONG_SIGNER')
  t.equal(await verdict(name, { ...pki, trust: { ...trust, subjectHostname: 'other.example.com' } }), 'WRONG_SIGNER')
  t.equal(await verdict(name, { ...pki, trust: { ...trust, roots: ca('fulcio_v1.crt.pem') } }), 'UNTRUSTED_SIGNER')
  const bare: TrustMaterial = { by: 'pki', trust: { ...trust, intermediates: [] } }
  t.equal(await verdict(name, bare), 'accepted', 'the signature brings the intermediate')
  t.equal(await verdict(name, pki, { annotations: { [CHAIN]: drop } }), 'accepted', 'the policy has it')
  t.equal(await verdict(name, bare, { annotations: { [CHAIN]: drop } }), 'UNTRUSTED_SIGNER', 'nobody has it')
  t.equal(await verdict(name, pki, { annotations: { [CHAIN]: () => 'not a certificate' } }), 'UNTRUSTED_SIGNER')
  t.equal(await verdict(name, pki, { now: new Date('2099-01-01T00:00:00Z') }), 'UNTRUSTED_SIGNER', 'expired')
})
