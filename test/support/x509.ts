import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'

/** A certificate authority of the test's own: certificates written byte by byte, so that each can be wrong in one way. */
export type Authority = { readonly name: string; readonly keys: KeyPair; readonly der: Buffer }
export type KeyPair = { readonly publicKey: KeyObject; readonly privateKey: KeyObject }

export type CertificateOptions = {
  readonly subject?: string
  readonly issuer?: Authority
  readonly keys?: KeyPair
  readonly notBefore?: Date
  readonly notAfter?: Date
  readonly extensions?: readonly Buffer[]
  /** The signature algorithm's hash. */
  readonly hash?: 'sha256' | 'sha1'
  /** What the certificate says instead of `notAfter`: a GeneralizedTime, which need not be a time. */
  readonly notAfterText?: string
  /** How it is signed instead of ECDSA: an AlgorithmIdentifier, and what makes such a signature. */
  readonly signing?: { readonly identifier: Buffer; readonly sign: (tbs: Buffer, key: KeyObject) => Buffer }
  /** A certificate transparency log that promises to hold it, as of a time; `bend` changes what the log has signed. */
  readonly ctLog?: { readonly keys: KeyPair; readonly at: Date; readonly bend?: (signed: Buffer) => Buffer }
}

const HOUR = 3_600_000

export function newKeys(): KeyPair {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' })
}

/** A certificate; self-signed without an issuer. */
export function issue(options: CertificateOptions): Authority {
  const keys = options.keys ?? newKeys()
  const name = options.subject ?? 'test'
  const { issuer = { name, keys } } = options
  const hash = options.hash ?? 'sha256'
  const algorithm =
    options.signing?.identifier ?? sequence(oid(hash === 'sha256' ? '1.2.840.10045.4.3.2' : '1.2.840.10045.4.1'))
  const now = Date.now()
  const serial = Buffer.concat([
    Buffer.of(1),
    createHash('sha256').update(String(Math.random())).digest().subarray(0, 8),
  ])
  const toBeSigned = (extensions: readonly Buffer[]): Buffer =>
    sequence(
      tlv(0xa0, integer(2)),
      tlv(0x02, serial),
      algorithm,
      distinguishedName(issuer.name),
      sequence(
        time(options.notBefore ?? new Date(now - HOUR)),
        options.notAfterText === undefined
          ? time(options.notAfter ?? new Date(now + HOUR))
          : tlv(0x18, Buffer.from(options.notAfterText)),
      ),
      distinguishedName(name),
      keys.publicKey.export({ type: 'spki', format: 'der' }),
      tlv(0xa3, sequence(...extensions)),
    )
  const { ctLog, extensions = [] } = options
  const promised = ctLog === undefined ? [] : [timestampList(toBeSigned(extensions), issuer.keys.publicKey, ctLog)]
  const tbs = toBeSigned([...extensions, ...promised])
  const signature = options.signing?.sign(tbs, issuer.keys.privateKey) ?? sign(hash, tbs, issuer.keys.privateKey)
  return { name, keys, der: sequence(tbs, algorithm, tlv(0x03, Buffer.concat([Buffer.of(0), signature]))) }
}

const uint = (value: number | bigint, bytes: number): Buffer =>
  Buffer.from(value.toString(16).padStart(bytes * 2, '0'), 'hex')

/** The extension that holds one signed certificate timestamp. RFC 6962 sections 3.2 and 3.3. */
function timestampList(
  tbs: Buffer,
  issuer: KeyObject,
  { keys, at, bend }: NonNullable<CertificateOptions['ctLog']>,
): Buffer {
  const sha256 = (key: KeyObject): Buffer =>
    createHash('sha256')
      .update(key.export({ type: 'spki', format: 'der' }))
      .digest()
  const when = uint(at.getTime(), 8)
  const signed = Buffer.concat([
    Buffer.of(0, 0),
    when,
    Buffer.of(0, 1),
    sha256(issuer),
    uint(tbs.length, 3),
    tbs,
    uint(0, 2),
  ])
  const signature = sign('sha256', bend?.(signed) ?? signed, keys.privateKey)
  const timestamp = Buffer.concat([
    Buffer.of(0),
    sha256(keys.publicKey),
    when,
    uint(0, 2),
    Buffer.of(4, 3),
    uint(signature.length, 2),
    signature,
  ])
  const list = Buffer.concat([uint(timestamp.length + 2, 2), uint(timestamp.length, 2), timestamp])
  return extension('1.3.6.1.4.1.11129.2.4.2', tlv(0x04, list))
}

/** A CA, with the extensions that make it one. */
export function authority(subject: string, options: CertificateOptions = {}): Authority {
  return issue({ subject, extensions: [basicConstraints(true), keyUsage(0x06)], ...options })
}

export function pem({ der }: Pick<Authority, 'der'>): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

export const OID = {
  codeSigning: '1.3.6.1.5.5.7.3.3',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  issuerV1: '1.3.6.1.4.1.57264.1.1',
  issuerV2: '1.3.6.1.4.1.57264.1.8',
} as const

export function extension(id: string, value: Buffer, critical = false): Buffer {
  return sequence(oid(id), ...(critical ? [tlv(0x01, Buffer.of(0xff))] : []), tlv(0x04, value))
}

export function basicConstraints(ca: boolean, pathLength?: number): Buffer {
  const parts = ca ? [tlv(0x01, Buffer.of(0xff)), ...(pathLength === undefined ? [] : [integer(pathLength)])] : []
  return extension('2.5.29.19', sequence(...parts), true)
}

/** The first byte of the usage bits: 0x80 digitalSignature, 0x04 keyCertSign, 0x02 cRLSign. */
export function keyUsage(bits: number): Buffer {
  return extension('2.5.29.15', tlv(0x03, Buffer.of(0, bits)), true)
}

export function extendedKeyUsage(...ids: readonly string[]): Buffer {
  return extension('2.5.29.37', sequence(...ids.map(oid)))
}

export type Name =
  | { readonly email: string }
  | { readonly dns: string }
  | { readonly uri: string }
  | { readonly ip: readonly number[] }
  | { readonly other: string }

export function alternativeNames(...names: readonly Name[]): Buffer {
  return extension('2.5.29.17', sequence(...names.map(generalName)), true)
}

/** A constraint has the form of a name; for an IP address, with the mask behind it. */
export function nameConstraints(
  { permitted = [], excluded = [] }: { readonly permitted?: readonly Name[]; readonly excluded?: readonly Name[] },
  critical = true,
): Buffer {
  const list = (tag: number, names: readonly Name[]): Buffer =>
    names.length === 0 ? Buffer.alloc(0) : tlv(tag, Buffer.concat(names.map(name => sequence(generalName(name)))))
  return extension('2.5.29.30', sequence(list(0xa0, permitted), list(0xa1, excluded)), critical)
}

function generalName(name: Name): Buffer {
  if ('email' in name) return tlv(0x81, Buffer.from(name.email))
  if ('dns' in name) return tlv(0x82, Buffer.from(name.dns))
  if ('uri' in name) return tlv(0x86, Buffer.from(name.uri))
  if ('ip' in name) return tlv(0x87, Buffer.from(name.ip))
  return tlv(0xa0, Buffer.concat([oid('1.2.3.4'), tlv(0xa0, utf8(name.other))]))
}

export function utf8(text: string): Buffer {
  return tlv(0x0c, Buffer.from(text))
}

export function tlv(tag: number, value: Buffer): Buffer {
  const { length } = value
  const size =
    length < 0x80
      ? Buffer.of(length)
      : length < 0x100
        ? Buffer.of(0x81, length)
        : Buffer.of(0x82, length >> 8, length & 0xff)
  return Buffer.concat([Buffer.of(tag), size, value])
}

export function sequence(...parts: readonly Buffer[]): Buffer {
  return tlv(0x30, Buffer.concat(parts))
}

export function integer(value: number): Buffer {
  return tlv(0x02, Buffer.of(value))
}

export function oid(text: string): Buffer {
  const [first = 0n, second = 0n, ...rest] = text.split('.').map(BigInt)
  const bytes = [first * 40n + second, ...rest].flatMap(arc => {
    const groups = [Number(arc & 0x7fn)]
    for (let left = arc >> 7n; left > 0n; left >>= 7n) groups.unshift(Number(left & 0x7fn) | 0x80)
    return groups
  })
  return tlv(0x06, Buffer.from(bytes))
}

function distinguishedName(commonName: string): Buffer {
  return sequence(tlv(0x31, sequence(oid('2.5.4.3'), utf8(commonName))))
}

/** UTCTime until 2049, GeneralizedTime from then on: RFC 5280 section 4.1.2.5. */
function time(date: Date): Buffer {
  const text = date.toISOString().replace(/[-:T]|\.\d+/g, '')
  return date.getUTCFullYear() < 2050 ? tlv(0x17, Buffer.from(text.slice(2))) : tlv(0x18, Buffer.from(text))
}
