import { createPublicKey } from 'node:crypto'
import { X509Certificate as SigstoreCertificate } from '@sigstore/core'
import type { TrustMaterial } from '@sigstore/verify'
import { decodeJson, formatProblem, type JsonCursor } from '../json/decode.ts'
import { decodeBytes, given, limitedItems } from './bundle/decode-fields.ts'
import { KeyError, trustedKeyOf, type TrustedKey } from './public-key.ts'
import { TrustMaterialError } from './trust-material-error.ts'
import { CertificateError, parseCertificate, type Certificate } from './x509/certificate.ts'

/** The logs and authorities of one sigstore, public or private, as its trusted_root.json names them. */
export type TrustedRoot = {
  /** Rekor, version 1 and 2. */
  readonly logs: readonly TrustedLog[]
  readonly ctLogs: readonly TrustedLog[]
  /** Fulcio. */
  readonly certificateAuthorities: readonly TrustedAuthority[]
  readonly timestampAuthorities: readonly TrustedAuthority[]
}

export type TrustedLog = {
  readonly baseUrl: string
  readonly id: Buffer
  readonly key: TrustedKey
  readonly validFor: Period
}

export type TrustedAuthority = {
  /** The one that signs first, the root last. */
  readonly chain: readonly [Certificate, ...Certificate[]]
  readonly validFor: Period
}

/** Both ends belong to it; no end: until further notice. */
export type Period = { readonly start: Date; readonly end: Date | undefined }

const LIMITS = { maxBytes: 4 * 1024 * 1024, maxDepth: 16 }
const MAX_ENTRIES = 256
const MAX_CHAIN = 10
const TIME_STAMPING = '1.3.6.1.5.5.7.3.8'
const MEDIA_TYPES: ReadonlySet<string> = new Set([
  'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
  'application/vnd.dev.sigstore.trustedroot+json;version=0.2',
  'application/vnd.dev.sigstore.trustedroot.v0.2+json',
])

/**
 * Reads a trusted_root.json, more strictly than the library that will use it: a log or authority without the start of its
 * validity would be trusted for all time (case 70), a timestamp authority's certificate that is not for timestamps would
 * be taken (case 9), an authority without certificates vouches for nothing (case 8). Section L, g.
 *
 * @param name how messages call it
 * @throws TrustMaterialError
 */
export function parseTrustedRoot(bytes: Uint8Array, name: string): TrustedRoot {
  const decoded = decodeJson(bytes, decodeRoot, LIMITS)
  if (decoded.ok) return decoded.value
  throw new TrustMaterialError('MALFORMED', `${name} is no usable trusted root: ${formatProblem(decoded.problems[0])}`)
}

function decodeRoot(root: JsonCursor): TrustedRoot | undefined {
  const before = root.problemCount
  const top = root.object({
    required: ['mediaType'],
    optional: ['tlogs', 'ctlogs', 'certificateAuthorities', 'timestampAuthorities'],
  })
  if (top === undefined) return undefined
  const mediaType = top.mediaType.string()
  if (mediaType !== undefined && !MEDIA_TYPES.has(mediaType)) {
    return top.mediaType.fail(`${JSON.stringify(mediaType.slice(0, 80))} is not a trusted root of version 0.1 or 0.2`)
  }
  const logs = limitedItems(given(top.tlogs), MAX_ENTRIES, decodeLog)
  const ctLogs = limitedItems(given(top.ctlogs), MAX_ENTRIES, decodeLog)
  const certificateAuthorities = limitedItems(given(top.certificateAuthorities), MAX_ENTRIES, decodeFulcio)
  const timestampAuthorities = limitedItems(given(top.timestampAuthorities), MAX_ENTRIES, decodeTimestampAuthority)
  if (!logs || !ctLogs || !certificateAuthorities || !timestampAuthorities || root.problemCount > before) {
    return undefined
  }
  // Without one of each no keyless signature can ever be good: the file is another one than was meant.
  if (logs.length === 0) return root.fail('names no transparency log (tlogs)')
  if (ctLogs.length === 0) return root.fail('names no certificate transparency log (ctlogs)')
  if (certificateAuthorities.length === 0) return root.fail('names no certificate authority')
  return { logs, ctLogs, certificateAuthorities, timestampAuthorities }
}

const ID_LENGTH = 32

function decodeLog(cursor: JsonCursor): TrustedLog | undefined {
  const fields = cursor.object({
    required: ['baseUrl', 'hashAlgorithm', 'publicKey', 'logId'],
    optional: ['checkpointKeyId', 'operator'],
  })
  if (fields === undefined) return undefined
  if (fields.hashAlgorithm.string() !== 'SHA2_256') return fields.hashAlgorithm.fail('is not SHA2_256')
  const baseUrl = fields.baseUrl.nonEmptyString()
  const publicKey = fields.publicKey.object({ required: ['rawBytes', 'keyDetails', 'validFor'] })
  const der = decodeBytes(publicKey?.rawBytes)
  const validFor = publicKey && decodePeriod(publicKey.validFor)
  const idCursor = fields.logId.object({ required: ['keyId'] })?.keyId
  const id = decodeBytes(idCursor)
  if (!publicKey || !idCursor || baseUrl === undefined || !der || !validFor || !id) return undefined
  if (id.byteLength !== ID_LENGTH) return idCursor.fail(`is not an id of ${ID_LENGTH} bytes`)
  const checkpointKeyId = given(fields.checkpointKeyId)?.object({ required: ['keyId'] })?.keyId
  const checkpointId = decodeBytes(checkpointKeyId)
  if (checkpointId !== undefined && !checkpointId.equals(id)) {
    return checkpointKeyId?.fail('is not the logId, and two names for one log are not taken')
  }
  const key = decodeKey(publicKey.rawBytes, der, publicKey.keyDetails, baseUrl)
  return key && { baseUrl, id, key, validFor }
}

/** The kinds of key that logs have, and how their key is encoded. */
const KEY_DETAILS: ReadonlyMap<string, 'spki' | 'pkcs1'> = new Map([
  ['PKIX_ECDSA_P256_SHA_256', 'spki'],
  ['PKIX_ECDSA_P384_SHA_384', 'spki'],
  ['PKIX_ECDSA_P521_SHA_512', 'spki'],
  ['PKIX_ED25519', 'spki'],
  ['PKIX_RSA_PKCS1V15_2048_SHA256', 'spki'],
  ['PKIX_RSA_PKCS1V15_3072_SHA256', 'spki'],
  ['PKIX_RSA_PKCS1V15_4096_SHA256', 'spki'],
  ['PKCS1_RSA_PKCS1V5', 'pkcs1'],
])

function decodeKey(cursor: JsonCursor, der: Buffer, detailsCursor: JsonCursor, name: string): TrustedKey | undefined {
  const details = detailsCursor.string()
  const type = KEY_DETAILS.get(details ?? '')
  if (details === undefined) return undefined
  if (type === undefined) return detailsCursor.fail('is not a kind of key that is taken')
  try {
    return trustedKeyOf(createPublicKey({ key: der, format: 'der', type }), name)
  } catch (error) {
    const why = error instanceof KeyError ? error.message : 'is not a public key'
    return cursor.fail(why)
  }
}

function decodeFulcio(cursor: JsonCursor): TrustedAuthority | undefined {
  const authority = decodeAuthority(cursor)
  if (authority === undefined) return undefined
  return authority.chain.every(({ isCa }) => isCa) ? authority : cursor.fail('holds a certificate that is no CA')
}

function decodeTimestampAuthority(cursor: JsonCursor): TrustedAuthority | undefined {
  const authority = decodeAuthority(cursor)
  if (authority === undefined) return undefined
  const [leaf, ...issuers] = authority.chain
  if (leaf.isCa || leaf.extendedKeyUsage?.includes(TIME_STAMPING) !== true) {
    return cursor.fail('its first certificate is not one that signs timestamps (id-kp-timeStamping)')
  }
  // The library verifies nothing where no issuer is given, and would refuse every timestamp without saying why.
  if (issuers.length === 0) return cursor.fail('holds no CA for its first certificate')
  return issuers.every(({ isCa }) => isCa) ? authority : cursor.fail('holds an issuer that is no CA')
}

function decodeAuthority(cursor: JsonCursor): TrustedAuthority | undefined {
  const fields = cursor.object({ required: ['certChain', 'validFor'], optional: ['subject', 'uri', 'operator'] })
  if (fields === undefined) return undefined
  const validFor = decodePeriod(fields.validFor)
  const list = fields.certChain.object({ required: ['certificates'] })?.certificates
  const chain = list && limitedItems(list, MAX_CHAIN, decodeCertificate)
  if (validFor === undefined || chain === undefined) return undefined
  const [first, ...others] = chain
  return first === undefined ? fields.certChain.fail('must not be empty') : { chain: [first, ...others], validFor }
}

function decodeCertificate(cursor: JsonCursor): Certificate | undefined {
  const der = decodeBytes(cursor.object({ required: ['rawBytes'] })?.rawBytes)
  if (der === undefined) return undefined
  try {
    const certificate = parseCertificate(der)
    SigstoreCertificate.parse(Buffer.from(der)) // so that it can't fail later, at some image's signature
    return certificate
  } catch (error) {
    const why = error instanceof CertificateError ? error.message : 'it is not readable'
    return cursor.fail(`is not a certificate that can be used: ${why}`)
  }
}

/** RFC 3339 in UTC, as protobuf writes it. */
const TIMESTAMP = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?Z$/

function decodePeriod(cursor: JsonCursor): Period | undefined {
  const fields = cursor.object({ required: ['start'], optional: ['end'] })
  if (fields === undefined) return undefined
  const start = decodeTime(fields.start)
  const endCursor = given(fields.end)
  const end = endCursor && decodeTime(endCursor)
  if (start === undefined || (endCursor !== undefined && end === undefined)) return undefined
  return end !== undefined && end < start ? cursor.fail('ends before it starts') : { start, end }
}

function decodeTime(cursor: JsonCursor): Date | undefined {
  const text = cursor.string()
  if (text === undefined) return undefined
  const time = new Date(TIMESTAMP.test(text) ? text : Number.NaN)
  return Number.isNaN(time.getTime()) ? cursor.fail('is not a time like 2026-01-31T12:00:00Z') : time
}

const END_OF_TIME = new Date(8.64e15)

/** The form in which @sigstore/verify takes it. */
export function toLibraryMaterial(root: TrustedRoot): Omit<TrustMaterial, 'publicKey'> {
  return {
    tlogs: root.logs.map(toLibraryLog),
    ctlogs: root.ctLogs.map(toLibraryLog),
    certificateAuthorities: root.certificateAuthorities.map(toLibraryAuthority),
    timestampAuthorities: root.timestampAuthorities.map(toLibraryAuthority),
  }
}

function toLibraryLog({ baseUrl, id, key, validFor }: TrustedLog): TrustMaterial['tlogs'][number] {
  return { baseURL: baseUrl, logID: id, publicKey: key.key, validFor: toLibraryPeriod(validFor) }
}

function toLibraryAuthority({ chain, validFor }: TrustedAuthority): TrustMaterial['certificateAuthorities'][number] {
  return {
    certChain: chain.map(({ der }) => SigstoreCertificate.parse(Buffer.from(der))),
    validFor: toLibraryPeriod(validFor),
  }
}

function toLibraryPeriod({ start, end }: Period): { readonly start: Date; readonly end: Date } {
  return { start, end: end ?? END_OF_TIME }
}
