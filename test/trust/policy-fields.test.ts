import t from 'tap'
import { parsePolicy } from '../../src/policy/parse-policy.ts'
import { verifySignature } from '../../src/signatures/verify-signature.ts'
import { trustPreparer } from '../../src/trust/prepare-trust.ts'
import {
  certify,
  intermediate,
  ISSUER,
  makeBundle,
  minutes,
  rekorKeys,
  root,
  statementAbout,
  SUBJECT,
  trustedRootOf,
  type Json,
} from '../support/local-sigstore.ts'
import { imageOf } from '../support/signer.ts'
import {
  alternativeNames,
  authority,
  extension,
  newKeys,
  OID,
  pem,
  utf8,
  type Authority,
  type KeyPair,
} from '../support/x509.ts'

/**
 * From the text of a policy to the verdict: each field that says whom to trust, given another value and nothing else
 * changed, refuses (case 21). A field that is read and then forgotten is seen here, wherever it is lost.
 */
const image = imageOf('policy fields').manifest
const EMAIL = 'alice@example.org'
const HOST = 'build.example.org'
const now = minutes(1)
const leaf = certify({ replace: { names: alternativeNames({ email: EMAIL }, { dns: HOST }, { uri: SUBJECT }) } })
const stranger = authority('fulcio root', { notBefore: minutes(-600), notAfter: minutes(600) })

const base64 = (text: Buffer | string): string => Buffer.from(text).toString('base64')
const certificates = (...list: readonly Authority[]): string => base64(list.map(pem).join(''))
const publicKey = (keys: KeyPair): string => base64(keys.publicKey.export({ type: 'spki', format: 'pem' }))

const byCertificate = await bundle(leaf)
const byKey = await bundle(undefined)
const teamIssuer = extension(OID.issuerV2, utf8(`${ISSUER}/team`))
const byTeam = await bundle(certify({ replace: { issuerV1: undefined, issuerV2: teamIssuer } }))

function bundle(certificate: Authority | undefined): Promise<Buffer> {
  const { keys } = certificate ?? leaf
  return makeBundle({ by: { keys, certificate }, statement: statementAbout(image.digest), entries: [{}] })
}

async function verdict(requirement: Json, untrustedBytes: Buffer): Promise<string> {
  const parsed = parsePolicy(Buffer.from(JSON.stringify({ default: [requirement] })))
  if (!parsed.ok) return `no policy: ${parsed.problems[0].message}`
  const [first] = parsed.value.default
  const trust = await trustPreparer(new Map())(first)
  if (trust === undefined) return 'trusts nobody'
  const checked = await verifySignature({
    signature: { format: 'bundle', origin: { place: 'referrer', name: 'test' }, untrustedBytes },
    trust,
    subject: image,
    now,
  })
  return checked.verified ? 'verified' : checked.rejection.code
}

type Group = {
  readonly it: string
  readonly bundle: Buffer
  readonly requirement: Json
  /** Another value for one field, by its path, and what it must end in. */
  readonly changes: readonly (readonly [path: string, value: unknown, is: string])[]
}

const groups: readonly Group[] = [
  {
    it: 'a key in a log',
    bundle: byKey,
    requirement: { type: 'sigstoreSigned', keyData: publicKey(leaf.keys), rekorPublicKeyData: publicKey(rekorKeys) },
    changes: [
      ['keyData', publicKey(newKeys()), 'UNTRUSTED_SIGNER'],
      ['rekorPublicKeyData', publicKey(newKeys()), 'NOT_LOGGED'],
    ],
  },
  {
    it: 'fulcio',
    bundle: byCertificate,
    requirement: {
      type: 'sigstoreSigned',
      fulcio: { caData: certificates(root, intermediate), oidcIssuer: ISSUER, subjectEmail: EMAIL },
      rekorPublicKeyData: publicKey(rekorKeys),
    },
    changes: [
      ['fulcio.caData', certificates(stranger), 'UNTRUSTED_SIGNER'],
      ['fulcio.oidcIssuer', 'https://issuer.example', 'WRONG_SIGNER'],
      ['fulcio.subjectEmail', 'bob@example.org', 'WRONG_SIGNER'],
      ['rekorPublicKeyData', publicKey(newKeys()), 'NOT_LOGGED'],
    ],
  },
  {
    it: 'pki',
    bundle: byCertificate,
    requirement: {
      type: 'sigstoreSigned',
      pki: {
        caRootsData: certificates(root),
        caIntermediatesData: certificates(intermediate),
        subjectEmail: EMAIL,
        subjectHostname: HOST,
      },
    },
    changes: [
      ['pki.caRootsData', certificates(stranger), 'UNTRUSTED_SIGNER'],
      ['pki.caIntermediatesData', certificates(stranger), 'UNTRUSTED_SIGNER'],
      ['pki.subjectEmail', 'bob@example.org', 'WRONG_SIGNER'],
      ['pki.subjectHostname', 'other.example.org', 'WRONG_SIGNER'],
    ],
  },
  {
    it: 'sealgate.sigstoreIdentity',
    bundle: byCertificate,
    requirement: {
      type: 'sealgate.sigstoreIdentity',
      trustedRootData: base64(trustedRootOf([])),
      identities: [{ issuer: ISSUER, subject: SUBJECT }],
    },
    changes: [
      ['trustedRootData', base64(trustedRootOf([], withCa(stranger))), 'UNTRUSTED_SIGNER'],
      ['identities.0.issuer', 'https://issuer.example', 'WRONG_SIGNER'],
      ['identities.0.subject', 'https://github.com/example/other', 'WRONG_SIGNER'],
    ],
  },
  {
    it: 'sealgate.sigstoreIdentity by patterns',
    bundle: byTeam,
    requirement: {
      type: 'sealgate.sigstoreIdentity',
      trustedRootData: base64(trustedRootOf([])),
      identities: [{ issuerPattern: `${ISSUER}/*`, subjectPattern: 'https://github.com/example/**@refs/heads/main' }],
    },
    changes: [
      ['identities.0.issuerPattern', 'https://issuer.example/**', 'WRONG_SIGNER'],
      ['identities.0.subjectPattern', 'https://github.com/other/**@refs/heads/main', 'WRONG_SIGNER'],
    ],
  },
]

function withCa(ca: Authority): (made: Json) => void {
  return made => {
    const [first] = made['certificateAuthorities'] as Json[]
    if (first !== undefined) first['certChain'] = { certificates: [{ rawBytes: base64(ca.der) }] }
  }
}

function changed(requirement: Json, path: string, value: unknown): Json {
  const copy = structuredClone(requirement)
  const steps = path.split('.')
  const last = steps.pop() ?? ''
  const place = steps.reduce<unknown>((at, step) => (at as Json)[step], copy) as Json
  if (!(last in place)) throw new Error(`there is no ${path}`)
  place[last] = value
  return copy
}

for (const { it, bundle: bytes, requirement, changes } of groups) {
  t.test(`case 21: ${it}`, async t => {
    t.equal(await verdict(requirement, bytes), 'verified', 'as it is')
    for (const [path, value, is] of changes) t.equal(await verdict(changed(requirement, path, value), bytes), is, path)
  })
}
