import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bundleReferrer } from '../../support/attached-bundle.ts'
import { answer } from '../../support/faults.ts'
import type { EvilRegistry } from '../../support/evil-registry.ts'
import { makeKey, publicBytes, signPayload, type SigningKey } from '../../support/gpg.ts'
import { certify, ISSUER, makeBundle, minutes, statementAbout, trustedRootOf } from '../../support/local-sigstore.ts'
import {
  ecdsaSigner,
  imageOf,
  indexOf,
  payloadOf,
  sigManifest,
  signatureLayer,
  sigTag,
  type Blob,
  type Signer,
} from '../../support/signer.ts'
import type { StepFault } from './messages.ts'

/** A manifest, and the requests that ask for it. */
export type Pull = { readonly manifest: Blob; readonly requests: readonly (readonly ['GET' | 'HEAD', string])[] }

export type PullKind = {
  readonly it: string
  /** `salt` makes another image of the same kind. */
  readonly put: (salt: string) => Pull | Promise<Pull>
  readonly faults?: readonly StepFault[]
}

export type RefusedPulls = {
  readonly policy: object
  /** What the gate's configuration has beside its registry. */
  readonly settings: Readonly<Record<string, unknown>>
  readonly kinds: readonly PullKind[]
  /** One that the policy accepts: what would be seen if it left. */
  readonly accepted: PullKind
}

/** Images that a policy refuses, each by another part of the decision, and the policy that does. */
export async function refusedPulls(registry: EvilRegistry, directory: string): Promise<RefusedPulls> {
  const [signer, stranger, log] = [ecdsaSigner(), ecdsaSigner(), ecdsaSigner()]
  const gpg = { trusted: await makeKey(), stranger: await makeKey() }
  const files = { 'cosign.pub': signer.publicPem, 'rekor.pub': log.publicPem, 'gpg.pub': publicBytes(gpg.trusted) }
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content)
  const lookaside = join(directory, 'lookaside')
  mkdirSync(join(directory, 'registries.d'))
  writeFileSync(join(directory, 'registries.d', 'all.yaml'), `default-docker:\n  lookaside: file://${lookaside}\n`)
  registry.on(/referrers.*undecided|undecided.*\.sig$/, answer(500))
  const key = { type: 'sigstoreSigned', keyPath: 'cosign.pub' }
  const identity = {
    type: 'sealgate.sigstoreIdentity',
    trustedRootData: trustedRootOf([]).toString('base64'),
    identities: [
      { issuer: ISSUER, subject: 'https://github.com/example/app/.github/workflows/other.yml@refs/heads/main' },
    ],
  }
  const docker = {
    'example.org': [key],
    'example.org/logged': [{ ...key, rekorPublicKeyPath: 'rekor.pub' }],
    'example.org/keyless': [identity],
    'example.org/gpg': [{ type: 'signedBy', keyType: 'GPGKeys', keyPath: 'gpg.pub' }],
    'example.org/rejected': [{ type: 'reject' }],
  }
  return {
    policy: { default: [{ type: 'reject' }], transports: { docker } },
    settings: { lookaside: 'registries.d' },
    ...kindsOf({ registry, signer, stranger, gpg, lookaside }),
  }
}

type Room = {
  readonly registry: EvilRegistry
  readonly signer: Signer
  readonly stranger: Signer
  readonly gpg: Readonly<Record<'trusted' | 'stranger', SigningKey>>
  readonly lookaside: string
}

function kindsOf(room: Room): Pick<RefusedPulls, 'kinds' | 'accepted'> {
  const { registry, signer, stranger } = room
  const put = (repository: string, salt: string): Blob => registry.put(repository, imageOf(salt), salt)
  /** With one layer in its `.sig` tag. */
  const attached = (repository: string, salt: string, by: Signer, digest: string, claim: string): Pull => {
    const manifest = put(repository, salt)
    const payload = payloadOf(digest === '' ? manifest.digest : digest, `example.org/${claim}`)
    registry.put(repository, sigManifest([signatureLayer(by, payload)]), sigTag(manifest.digest))
    return byTagAndDigest(repository, salt, manifest)
  }
  const kinds: readonly PullKind[] = [
    { it: 'no signature', put: salt => byTagAndDigest('test', salt, put('test', salt)) },
    { it: 'rejected outright', put: salt => byTagAndDigest('rejected', salt, put('rejected', salt)) },
    { it: 'signed by a stranger', put: salt => attached('test', salt, stranger, '', 'test') },
    {
      it: 'a signature about another image',
      put: salt => attached('test', salt, signer, imageOf('another').manifest.digest, 'test'),
    },
    { it: 'a signature for another repository', put: salt => attached('test', salt, signer, '', 'other') },
    { it: 'a signature that is in no log', put: salt => attached('logged', salt, signer, '', 'logged') },
    {
      it: 'signatures that cannot be looked for',
      put: salt => byTagAndDigest('undecided', salt, put('undecided', salt)),
    },
    {
      it: 'a bundle of another identity',
      put: async salt => {
        const manifest = put('keyless', salt)
        await attachBundle(registry, manifest)
        return byTagAndDigest('keyless', salt, manifest)
      },
    },
    {
      it: 'signed with a stranger’s GPG key',
      put: async salt => {
        const manifest = put('gpg', salt)
        const critical = {
          type: 'atomic container signature',
          image: { 'docker-manifest-digest': manifest.digest },
          identity: { 'docker-reference': `example.org/gpg:${salt}` },
        }
        const folder = join(room.lookaside, `gpg@${manifest.digest.replace(':', '=')}`)
        mkdirSync(folder, { recursive: true })
        writeFileSync(join(folder, 'signature-1'), await signPayload(room.gpg.stranger, { critical, optional: {} }))
        return byTagAndDigest('gpg', salt, manifest)
      },
    },
    {
      it: 'the child of an index that is not accepted',
      put: salt => {
        const manifest = put('test', `${salt}-child`)
        const index = registry.put('test', { manifest: indexOf([manifest]), blobs: [] }, salt)
        return {
          manifest,
          requests: [
            ['GET', `test/manifests/${salt}`],
            ['GET', `test/manifests/${index.digest}`],
            ['GET', `test/manifests/${manifest.digest}`],
          ],
        }
      },
    },
    {
      it: 'a manifest by the blobs route',
      // What looks for a manifest's keys gives nothing for every other blob.
      faults: ['throws', 'throws once'],
      put: salt => {
        const manifest = put('test', salt)
        registry.blobs.set(`test ${manifest.digest}`, manifest)
        return { manifest, requests: [['GET', `test/blobs/${manifest.digest}`]] }
      },
    },
  ]
  return { kinds, accepted: { it: 'signed', put: salt => attached('test', salt, signer, '', 'test') } }
}

function byTagAndDigest(repository: string, tag: string, manifest: Blob): Pull {
  return {
    manifest,
    requests: [
      ['GET', `${repository}/manifests/${tag}`],
      ['HEAD', `${repository}/manifests/${tag}`],
      ['GET', `${repository}/manifests/${manifest.digest}`],
    ],
  }
}

/** A keyless bundle that is in order, as cosign 3 attaches it: only who made it is not whom the policy names. */
async function attachBundle(registry: EvilRegistry, image: Blob): Promise<void> {
  // The local sigstore's clock is an hour ahead: this was five minutes ago.
  const leaf = certify({ notBefore: minutes(-66), notAfter: minutes(-56) })
  const bytes = await makeBundle({
    by: { keys: leaf.keys, certificate: leaf },
    statement: statementAbout(image.digest),
    entries: [{ integratedAt: minutes(-65) }],
  })
  const referrer = registry.put('keyless', bundleReferrer(image, bytes))
  registry.put('keyless', { manifest: indexOf([referrer]), blobs: [] }, image.digest.replace(':', '-'))
}
