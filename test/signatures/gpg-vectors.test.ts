import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { digestOf } from '../../src/reference/digest.ts'
import { parseImageReference, type ImageReference } from '../../src/reference/image-reference.ts'
import { parsePolicy } from '../../src/policy/parse-policy.ts'
import type { SignedByRequirement } from '../../src/policy/policy.ts'
import { requirementsFor } from '../../src/policy/requirements-for.ts'
import { acceptsClaim } from '../../src/policy/signed-identity.ts'
import { findLookaside } from '../../src/signatures/find-lookaside.ts'
import { parseGpgKeyring, type GpgKeyring } from '../../src/signatures/gpg-keyring.ts'
import { checkGpgSignature } from '../../src/signatures/gpg-signature.ts'
import { lookasideFor, lookasideLocation } from '../../src/signatures/lookaside.ts'
import { parseRegistriesD } from '../../src/signatures/registries-d.ts'
import { DEFAULT_LOOKASIDE_LIMITS, readLookaside } from '../../src/upstream/lookaside-client.ts'

/** What go.podman.io/image itself decides about its own GPG fixtures, station by station and without a server. */
const vectors = new URL('../../../shared/vectors/containers-image/', import.meta.url)
const cases = existsSync(vectors)
  ? readFileSync(new URL('cases.jsonl', vectors), 'utf8')
      .split('\n')
      .filter(line => line !== '')
      .map((line): Case => JSON.parse(line))
      .filter(({ id }) => /^(?:valid|unsigned)\//.test(id))
  : []

type Case = {
  readonly id: string
  readonly policy: string
  readonly image: string
  readonly expect: 'accept' | 'reject'
}

t.test('signedBy', { skip: cases.length === 0 ? 'the vectors are not here' : false }, async t => {
  for (const row of cases) t.equal(await judge(row), row.expect, row.id)
})

async function judge({ policy, image }: Case): Promise<'accept' | 'reject'> {
  const reference = parseImageReference(image)
  if (reference === undefined) throw new Error(image)
  const keys = fileURLToPath(new URL('keys', vectors))
  const text = readFileSync(new URL(`policies/${policy}.json`, vectors), 'utf8').replaceAll('@KEYS@', keys)
  const parsed = parsePolicy(Buffer.from(text))
  if (!parsed.ok) throw new Error(parsed.problems[0].message)
  const [requirement, ...others] = requirementsFor(parsed.value, reference).requirements
  if (requirement.type !== 'signedBy' || others.length > 0) throw new Error(`${policy} is not about signedBy`)
  return (await isMet(requirement, reference)) ? 'accept' : 'reject'
}

async function isMet(requirement: SignedByRequirement, reference: ImageReference): Promise<boolean> {
  const manifest = manifestOf(reference)
  const keyring = await keyringOf(requirement)
  const { signatures, failures } = await findLookaside(locationOf(reference, manifest), location =>
    readLookaside({ location, signal: new AbortController().signal, limits: DEFAULT_LOOKASIDE_LIMITS }),
  )
  if (failures.length > 0) throw new Error('the lookaside cannot be read', { cause: failures[0]?.cause })
  for (const signature of signatures) {
    if (signature.format !== 'gpg') continue
    const subject = { bytes: manifest, digest: digestOf(manifest) }
    const { untrustedBytes } = signature
    const check = await checkGpgSignature({ untrustedBytes, keyring, subject, now: new Date() })
    if (!check.verified) continue
    const identity = requirement.signedIdentity
    const { claim } = check.signature
    if (acceptsClaim({ identity, reading: 'asClaimed', reference, claim }).accepted) return true
  }
  return false
}

function manifestOf({ repository }: ImageReference): Uint8Array {
  const layout = new URL(`layouts/${repository.host}/${repository.path}/`, vectors)
  const [entry] = JSON.parse(readFileSync(new URL('index.json', layout), 'utf8')).manifests
  return readFileSync(new URL(`blobs/${entry.digest.replace(':', '/')}`, layout))
}

async function keyringOf({ keyring }: SignedByRequirement): Promise<GpgKeyring> {
  const blobs = keyring.from === 'data' ? keyring.data : keyring.places.map(place => readFileSync(place))
  return parseGpgKeyring(blobs, keyring.field)
}

function locationOf(reference: ImageReference, manifest: Uint8Array): string {
  const yaml = `docker: { fixtures.example: { lookaside: ${JSON.stringify(new URL('lookaside', vectors).href)} } }`
  const parsed = parseRegistriesD([{ name: 'fixtures.yaml', bytes: Buffer.from(yaml) }])
  const base = parsed.ok ? lookasideFor(parsed.value, reference) : undefined
  if (base === undefined) throw new Error('no lookaside')
  return lookasideLocation(base, reference.repository, digestOf(manifest))
}
