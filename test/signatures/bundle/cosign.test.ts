import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { digestOf } from '../../../src/reference/digest.ts'
import { checkBundle } from '../../../src/signatures/bundle/check-bundle.ts'
import { parsePublicKeyPem } from '../../../src/signatures/public-key.ts'
import type { SignatureCheck } from '../../../src/signatures/signature.ts'
import { sharedFolder } from '../../support/shared.ts'

/** Bundles that cosign 3.1.3 itself has made. */
const kit = sharedFolder('kit')

function check(untrustedBytes: Buffer, manifest: Buffer, publicPem: Buffer): SignatureCheck {
  return checkBundle({
    untrustedBytes,
    subject: { bytes: manifest, digest: digestOf(manifest) },
    trust: { by: 'keys', keys: [parsePublicKeyPem(publicPem, 'cosign.pub')], rekorKeys: undefined },
    now: new Date(),
  })
}

/** The blobs of an OCI layout: its bundle, and the manifest that the bundle is about. */
function readLayout(folder: string): { readonly bundle: Buffer; readonly manifest: Buffer } {
  const blobs = readdirSync(folder).map(file => readFileSync(join(folder, file)))
  const bundle = blobs.find(blob => blob.subarray(0, 80).includes('sigstore.bundle'))
  const manifest = blobs.find(
    blob => blob.includes('"layers"') && !blob.includes('sigstore') && !blob.includes('cosign'),
  )
  if (bundle === undefined || manifest === undefined) throw new Error(`${folder} holds no bundle`)
  return { bundle, manifest }
}

t.test('cosign sign: an envelope', { skip: kit === undefined && 'the acceptance kit is not here' }, async t => {
  const publicPem = readFileSync(join(kit ?? '', 'keys/cosign.pub'))
  const table = [
    ['bundle', 'verified'],
    ['bundle-wrong-key', 'UNTRUSTED_SIGNER'],
    ['both-formats', 'verified'],
  ] as const
  for (const [name, is] of table) {
    const { bundle, manifest } = readLayout(join(kit ?? '', 'layouts/example.org', name, 'blobs/sha256'))
    const checked = check(bundle, manifest, publicPem)
    t.equal(checked.verified ? 'verified' : checked.rejection.code, is, name)
    t.equal(check(bundle, Buffer.from('other'), publicPem).verified, false, `${name}, about other bytes`)
  }
})

t.test('cosign sign-blob of a manifest: a message signature', async t => {
  const publicPem = Buffer.from(`-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEXLGco+4tIpLgXS3xr9hvpKqwPPRU
zhvTyqZJwz8AwUhmQ5iBz+sRd85v4EoaH43nKOfeBXD+E7Rm9lWt6oOFVA==
-----END PUBLIC KEY-----
`)
  const manifest = Buffer.from(
    '{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":{"mediaType":"application/vnd.docker.container.image.v1+json","size":233,"digest":"sha256:4a14b13d815c2c800b6d1b43eb16f58f3c4dcc6446236f3de750e1a760d1063b"},"layers":[{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":278,"digest":"sha256:5d49b3d4819983841a9d0263c718e9a79be0ce3e11011ef1191de65a3c1ca626"}]}',
  )
  const bundle = Buffer.from(
    '{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"C4oUGUhzGY1I4gSijKvYYNopYGuKIf6nZevqhQBHQAI="}},"messageSignature":{"messageDigest":{"algorithm":"SHA2_256","digest":"+aQNIoJJGuvgBz1ZY6qbsE8ZuE8KuUVhWZDTdgnX1dI="},"signature":"MEYCIQDEZnoVq29G2duPI6+2xeBc6/6dpTKDHCM7zrir6EdGWAIhAKQXOWwJHYnGlnJ66WmIGTLh2svkTY+C2bsR+dUoySdL"}}',
  )
  t.match(check(bundle, manifest, publicPem), { verified: true, signature: { claim: { kind: 'none' } } })
  t.match(check(bundle, Buffer.concat([manifest, Buffer.of(10)]), publicPem), { verified: false })
  const lying = Buffer.from(bundle.toString().replace('+aQN', '+aQO'))
  t.match(check(lying, manifest, publicPem), { rejection: { code: 'WRONG_DIGEST' } }, 'its digest says something else')
  for (const [it, digest] of [
    ['of no bytes', ''],
    ['short', 'YWJj'],
    ['the beginning of the right one', '+aQNIoJJGuvgBz1ZY6qbsA=='],
    ['the right one and a byte', '+aQNIoJJGuvgBz1ZY6qbsE8ZuE8KuUVhWZDTdgnX1dIA'],
  ] as const) {
    const changed = Buffer.from(bundle.toString().replace(/"digest":"[^"]+"/, `"digest":"${digest}"`))
    t.match(check(changed, manifest, publicPem), { rejection: { code: 'MALFORMED' } }, `case 72: a digest ${it}`)
  }
})
