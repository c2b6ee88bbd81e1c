import { X509Certificate } from 'node:crypto'
import { ASN1Obj } from '@sigstore/core'
import { pemBlocks } from './pem.ts'

/** A certificate with what Node does not tell: its extensions, and its subject alternative names by type. */
export type Certificate = {
  readonly x509: X509Certificate
  readonly der: Buffer
  readonly notBefore: Date
  readonly notAfter: Date
  readonly extensions: ReadonlyMap<string, Extension>
  readonly alternativeNames: readonly AlternativeName[]
  /** The same as they are written, of every kind. */
  readonly generalNames: readonly GeneralName[]
  readonly isCa: boolean
  /** How many CAs may follow below; undefined: any number. */
  readonly pathLength: number | undefined
  /** undefined: no key usage extension. */
  readonly mayCertSign: boolean | undefined
  /** OIDs; undefined: no such extension, good for anything. */
  readonly extendedKeyUsage: readonly string[] | undefined
  /** What a CA may certify, by `permitsNames`; undefined: any name. */
  readonly nameConstraints: NameConstraints | undefined
}

export type Extension = { readonly critical: boolean; readonly value: Buffer }

/** RFC 5280 section 4.2.1.6. Types are never mixed: an e-mail address in a URI is no e-mail address (case 22). */
export type AlternativeName = { readonly type: 'email' | 'dns' | 'uri' | 'other'; readonly value: string }

/** RFC 5280 section 4.2.1.6: a kind of name, by its tag, and what is in it. */
export type GeneralName = { readonly tag: number; readonly value: Buffer }

/** RFC 5280 section 4.2.1.10. */
export type NameConstraints = {
  readonly permitted: readonly GeneralName[]
  readonly excluded: readonly GeneralName[]
}

export const OIDS = {
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  codeSigning: '1.3.6.1.5.5.7.3.3',
  anyExtendedKeyUsage: '2.5.29.37.0',
} as const

/** Signature algorithms that a certificate may be signed with: no SHA-1, no MD5, as Go's crypto/x509 holds it. */
const SIGNATURE_ALGORITHMS: ReadonlySet<string> = new Set([
  '1.2.840.10045.4.3.2', // ECDSA with SHA-256
  '1.2.840.10045.4.3.3', // with SHA-384
  '1.2.840.10045.4.3.4', // with SHA-512
  '1.2.840.113549.1.1.10', // RSASSA-PSS, with one of SIGNATURE_HASHES
  '1.2.840.113549.1.1.11', // RSA with SHA-256
  '1.2.840.113549.1.1.12', // with SHA-384
  '1.2.840.113549.1.1.13', // with SHA-512
  '1.3.101.112', // Ed25519
])

const RSASSA_PSS = '1.2.840.113549.1.1.10'
const SIGNATURE_HASHES: ReadonlySet<string> = new Set([
  '2.16.840.1.101.3.4.2.1', // SHA-256
  '2.16.840.1.101.3.4.2.2', // SHA-384
  '2.16.840.1.101.3.4.2.3', // SHA-512
])

/** A text or DER is not a certificate that can be judged. One line, without its contents. */
export class CertificateError extends Error {
  override readonly name = 'CertificateError'
}

/** The certificates of a PEM text. @throws CertificateError unless it is one or more certificates and nothing else */
export function parseCertificates(pem: string): readonly [Certificate, ...Certificate[]] {
  const [first, ...others] = (pemBlocks(pem, 'CERTIFICATE') ?? []).map(parseCertificate)
  if (first === undefined) throw new CertificateError('it is not a list of PEM certificates')
  return [first, ...others]
}

/** @throws CertificateError */
export function parseCertificate(der: Buffer): Certificate {
  try {
    return readCertificate(der)
  } catch (cause) {
    if (cause instanceof CertificateError) throw cause
    throw new CertificateError('it holds a broken certificate', { cause })
  }
}

function readCertificate(der: Buffer): Certificate {
  const x509 = new X509Certificate(der)
  // Trailing bytes, or another encoding of the same, would make two texts one certificate.
  if (!x509.raw.equals(der)) throw new CertificateError('it holds a certificate that is not DER')
  const [tbs, algorithm] = parse(der).subs
  const fields = tbs?.subs ?? []
  const [algorithmId, parameters] = [algorithm?.subs[0]?.toOID(), algorithm?.subs[1]]
  if (
    algorithmId === undefined ||
    !SIGNATURE_ALGORITHMS.has(algorithmId) ||
    (algorithmId === RSASSA_PSS && !hasSoundHashes(parameters))
  ) {
    throw new CertificateError(
      `it holds a certificate that is signed by an algorithm that is not taken (${algorithmId})`,
    )
  }
  const extensions = readExtensions(fields.find(field => field.tag.isContextSpecific(3)))
  const constraints = readBasicConstraints(extensions.get(OIDS.basicConstraints))
  const generalNames = readGeneralNames(extensions.get(OIDS.subjectAltName))
  return {
    x509,
    der,
    notBefore: readDate(x509.validFrom),
    notAfter: readDate(x509.validTo),
    extensions,
    alternativeNames: generalNames.map(readAlternativeName),
    generalNames,
    ...constraints,
    mayCertSign: readMayCertSign(extensions.get(OIDS.keyUsage)),
    extendedKeyUsage: extensions.get(OIDS.extendedKeyUsage) && readOids(extensions.get(OIDS.extendedKeyUsage)),
    nameConstraints: readNameConstraints(extensions.get(OIDS.nameConstraints)),
  }
}

/** @throws CertificateError for 32 January: no time is before or after a date that is none, so it would be valid for ever */
function readDate(text: string): Date {
  const date = new Date(text)
  if (Number.isNaN(date.getTime())) throw new CertificateError('it holds a certificate with a date that is none')
  return date
}

/** RFC 4055 section 3.1. Parameters that are left out mean SHA-1. */
function hasSoundHashes(parameters: ASN1Obj | undefined): boolean {
  const of = (number: number): ASN1Obj | undefined =>
    parameters?.subs.find(({ tag }) => tag.isContextSpecific(number))?.subs[0]
  const hash = of(0)?.subs[0]?.toOID()
  const maskHash = of(1)?.subs[1]?.subs[0]?.toOID()
  return hash !== undefined && SIGNATURE_HASHES.has(hash) && maskHash === hash
}

function parse(bytes: Buffer): ASN1Obj {
  return ASN1Obj.parseBuffer(Buffer.from(bytes))
}

function readExtensions(wrapped: ASN1Obj | undefined): ReadonlyMap<string, Extension> {
  const extensions = new Map<string, Extension>()
  for (const extension of wrapped?.subs[0]?.subs ?? []) {
    const [id, second, third] = extension.subs
    const value = third ?? second
    if (id === undefined || value === undefined) throw new CertificateError('it holds a broken extension')
    const oid = id.toOID()
    // RFC 5280 section 4.2: never more than one of a kind (case 23).
    if (extensions.has(oid)) throw new CertificateError(`it holds the extension ${oid} twice`)
    extensions.set(oid, { critical: third !== undefined && second?.toBoolean() === true, value: value.value })
  }
  return extensions
}

function readBasicConstraints(extension: Extension | undefined): {
  readonly isCa: boolean
  readonly pathLength: number | undefined
} {
  const [ca, length] = extension === undefined ? [] : parse(extension.value).subs
  const isCa = ca?.tag.isBoolean() === true && ca.toBoolean()
  return { isCa, pathLength: isCa && length !== undefined ? Number(length.toInteger()) : undefined }
}

/** KeyUsage, bit 5: keyCertSign. */
function readMayCertSign(extension: Extension | undefined): boolean | undefined {
  return extension === undefined ? undefined : parse(extension.value).toBitString()[5] === 1
}

function readOids(extension: Extension | undefined): readonly string[] {
  return extension === undefined ? [] : parse(extension.value).subs.map(sub => sub.toOID())
}

const NAME_TYPES: ReadonlyMap<number, AlternativeName['type']> = new Map([
  [1, 'email'],
  [2, 'dns'],
  [6, 'uri'],
])

function readGeneralNames(extension: Extension | undefined): readonly GeneralName[] {
  return extension === undefined ? [] : parse(extension.value).subs.map(readGeneralName)
}

function readGeneralName({ tag, value }: ASN1Obj): GeneralName {
  if (!tag.isContextSpecific()) throw new CertificateError('it holds a name of no kind')
  return { tag: tag.number, value }
}

function readAlternativeName(name: GeneralName): AlternativeName {
  const type = NAME_TYPES.get(name.tag) ?? 'other'
  if (type === 'other') return { type, value: '' }
  // IA5String: what is not ASCII, or hides an end of text, names nobody.
  const value = name.value.toString('latin1')
  if (!/^[\x20-\x7e]+$/.test(value)) throw new CertificateError('it holds a name that is not printable ASCII')
  return { type, value }
}

function readNameConstraints(extension: Extension | undefined): NameConstraints | undefined {
  if (extension === undefined) return undefined
  const { subs } = parse(extension.value)
  const known = subs.every(({ tag }) => tag.isContextSpecific(0) || tag.isContextSpecific(1))
  if (subs.length === 0 || !known) throw new CertificateError('it holds broken name constraints')
  const of = (number: number): readonly GeneralName[] =>
    subs.filter(({ tag }) => tag.isContextSpecific(number)).flatMap(list => list.subs.map(readSubtree))
  return { permitted: of(0), excluded: of(1) }
}

function readSubtree({ subs: [base, ...bounds] }: ASN1Obj): GeneralName {
  // minimum and maximum are not used (RFC 5280), and nobody knows what they would mean.
  if (base === undefined || bounds.length > 0) throw new CertificateError('it holds a name constraint with bounds')
  return readGeneralName(base)
}
