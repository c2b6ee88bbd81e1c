import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { initializeTSA } from '@sigstore/mock'
import { digestOf, hexOf, type Digest } from '../../src/reference/digest.ts'
import {
  alternativeNames,
  authority,
  extendedKeyUsage,
  extension,
  issue,
  keyUsage,
  newKeys,
  OID,
  pem,
  utf8,
  type Authority,
  type CertificateOptions,
  type KeyPair,
} from './x509.ts'

/**
 * A sigstore of the test's own, in memory: Fulcio, a CT log, Rekor in both versions and a timestamp authority. Every key is
 * made when it starts. All of it happens at `at`, an hour from now; verify at `now`, a little later.
 */
export type Json = Record<string, unknown>
export type EntryKind = 'hashedrekord 0.0.1' | 'hashedrekord 0.0.2' | 'dsse 0.0.1' | 'dsse 0.0.2' | 'intoto 0.0.2'

export const MINUTE = 60_000
export const at = new Date(Math.floor(Date.now() / 1000) * 1000 + 60 * MINUTE)
export const now = new Date(at.getTime() + 10 * MINUTE)
export const minutes = (count: number): Date => new Date(at.getTime() + count * MINUTE)

export const SUBJECT = 'https://github.com/example/app/.github/workflows/release.yml@refs/heads/main'
export const ISSUER = 'https://token.actions.githubusercontent.com'
const REKOR = 'rekor.example.org'
export const MEDIA_TYPE_3 = 'application/vnd.dev.sigstore.bundle.v0.3+json'
export const MEDIA_TYPE_1 = 'application/vnd.dev.sigstore.bundle+json;version=0.1'

const year = 365 * 24 * 60 * MINUTE
const lasting = { notBefore: new Date(at.getTime() - year), notAfter: new Date(at.getTime() + year) }
export const root: Authority = authority('fulcio root', lasting)
export const intermediate: Authority = authority('fulcio', { issuer: root, ...lasting })
export const ctKeys: KeyPair = newKeys()
export const rekorKeys: KeyPair = newKeys()

export const tsaKeys: KeyPair = newKeys()

export const spki = ({ publicKey }: Pick<KeyPair, 'publicKey'>): Buffer =>
  publicKey.export({ type: 'spki', format: 'der' })
export const sha256 = (...parts: readonly (Buffer | string)[]): Buffer => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}
const base64 = (bytes: Buffer): string => bytes.toString('base64')

/** A certificate as Fulcio issues it to a GitHub workflow, with one thing changed. */
export const LEAF_EXTENSIONS = {
  keyUsage: keyUsage(0x80),
  extendedKeyUsage: extendedKeyUsage(OID.codeSigning),
  names: alternativeNames({ uri: SUBJECT }),
  issuerV1: extension(OID.issuerV1, Buffer.from(ISSUER)),
  issuerV2: extension(OID.issuerV2, utf8(ISSUER)),
} as const

export function certify(
  change: Partial<CertificateOptions> & {
    readonly replace?: Partial<Record<keyof typeof LEAF_EXTENSIONS, Buffer | undefined>>
    readonly add?: readonly Buffer[]
  } = {},
): Authority {
  const { replace, add = [], ...options } = change
  const extensions = Object.values({ ...LEAF_EXTENSIONS, ...replace }).filter(one => one !== undefined)
  return issue({
    subject: '',
    issuer: intermediate,
    notBefore: minutes(-5),
    notAfter: minutes(5),
    extensions: [...extensions, ...add],
    ctLog: { keys: ctKeys, at },
    ...options,
  })
}

/** An RFC 3161 response over a signature, by an authority whose clock stands at a time. */
export type Tsa = {
  readonly chain: readonly Buffer[]
  readonly stamp: (signature: Buffer, when?: Date) => Promise<Buffer>
}

export async function startTsa(keys: KeyPair = newKeys()): Promise<Tsa> {
  // One authority for all times: the clock is set anew for each stamp, the certificates stay those of the first.
  let clock = at
  const moving = new Proxy(at, {
    get: (_target, key) => {
      const value: unknown = Reflect.get(clock, key)
      return typeof value === 'function' ? value.bind(clock) : value
    },
    getPrototypeOf: () => Date.prototype,
  })
  const tsa = await initializeTSA(keys, moving)
  const bytes = (view: ArrayBufferView): Buffer => Buffer.from(view.buffer, view.byteOffset, view.byteLength)
  return {
    chain: [bytes(tsa.intCertificate), bytes(tsa.rootCertificate)],
    stamp: async (signature, when = at) => {
      clock = when
      return bytes(
        await tsa.timestamp({
          artifactHash: sha256(signature),
          hashAlgorithmOID: '2.16.840.1.101.3.4.2.1',
          nonce: 1,
          policyOID: '1.3.6.1.4.1.57264.2',
        }),
      )
    },
  }
}

/** What signs: a key of one's own, or one with a certificate. */
export type By = { readonly keys: KeyPair; readonly certificate?: Authority | undefined; readonly hash?: string | null }

export function statementAbout(digest: Digest): Json {
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ digest: { sha256: hexOf(digest) }, annotations: {} }],
    predicateType: 'https://sigstore.dev/cosign/sign/v1',
    predicate: {},
  }
}

export function pae(type: string, payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`DSSEv1 ${Buffer.byteLength(type)} ${type} ${payload.length} `), payload])
}

export type BundleOptions = {
  readonly by: By
  readonly statement: Json
  readonly payloadType?: string
  /** A signature over these bytes instead of an envelope. */
  readonly message?: Buffer
  readonly mediaType?: string
  readonly entries?: readonly EntryOptions[]
  readonly timestamps?: (signature: Buffer) => Promise<readonly Buffer[]>
  /** Last of all: what nobody has signed. */
  readonly change?: (bundle: Json) => void
}

export type EntryOptions = {
  readonly kind?: EntryKind
  /** What the log is told, and so signs. */
  readonly body?: (body: Json) => void
  /** The same, as text. */
  readonly text?: (body: string) => string
  readonly with?: 'promise' | 'proof' | 'both'
  readonly integratedAt?: Date
  readonly log?: KeyPair
  readonly logName?: string
  /** An Ed25519 log of Rekor v2 has the id of a signed note's key. */
  readonly ed25519?: boolean
  /** What the log signs as its checkpoint. */
  readonly note?: (note: string) => string
  /** The lines below a checkpoint, made of the log's own: `\u2014 <name> <hint and signature>`. */
  readonly noteSignatures?: (own: string, note: string) => string
  readonly change?: (entry: Json) => void
}

export async function makeBundle(options: BundleOptions): Promise<Buffer> {
  const { by, payloadType = 'application/vnd.in-toto+json', message } = options
  const payload = Buffer.from(JSON.stringify(options.statement))
  const signed = message ?? pae(payloadType, payload)
  const signature = sign(by.hash === undefined ? 'sha256' : by.hash, signed, by.keys.privateKey)
  const content =
    message === undefined
      ? {
          dsseEnvelope: { payload: base64(payload), payloadType, signatures: [{ sig: base64(signature) }] },
        }
      : {
          messageSignature: {
            messageDigest: { algorithm: 'SHA2_256', digest: base64(sha256(message)) },
            signature: base64(signature),
          },
        }
  const { certificate } = by
  const isVersion1 = options.mediaType === MEDIA_TYPE_1
  const material =
    certificate === undefined
      ? { publicKey: { hint: base64(sha256(spki(by.keys))) } }
      : isVersion1
        ? {
            x509CertificateChain: {
              certificates: [{ rawBytes: base64(certificate.der) }, { rawBytes: base64(intermediate.der) }],
            },
          }
        : { certificate: { rawBytes: base64(certificate.der) } }
  const timestamps = (await options.timestamps?.(signature)) ?? []
  const bundle: Json = {
    mediaType: options.mediaType ?? MEDIA_TYPE_3,
    verificationMaterial: {
      ...material,
      tlogEntries: (options.entries ?? []).map(entry =>
        logEntry(entry, { signed, payload, signature, by, certificate }),
      ),
      timestampVerificationData: {
        rfc3161Timestamps: timestamps.map(stamp => ({ signedTimestamp: base64(stamp) })),
      },
    },
    ...content,
  }
  options.change?.(bundle)
  return Buffer.from(JSON.stringify(bundle))
}

type Signed = {
  readonly signed: Buffer
  readonly payload: Buffer
  readonly signature: Buffer
  readonly by: By
  readonly certificate: Authority | undefined
}

function bodyOf(kind: EntryKind, { signed, payload, signature, by, certificate }: Signed): Json {
  const signerPem =
    certificate === undefined ? by.keys.publicKey.export({ type: 'spki', format: 'pem' }) : pem(certificate)
  const publicKey = base64(Buffer.from(signerPem))
  const hex = (bytes: Buffer): Json => ({ algorithm: 'sha256', value: sha256(bytes).toString('hex') })
  const digest = (bytes: Buffer): Json => ({ algorithm: 'SHA2_256', digest: base64(sha256(bytes)) })
  const verifier =
    certificate === undefined
      ? { keyDetails: 'PKIX_ECDSA_P256_SHA_256', publicKey: { rawBytes: base64(spki(by.keys)) } }
      : { keyDetails: 'PKIX_ECDSA_P256_SHA_256', x509Certificate: { rawBytes: base64(certificate.der) } }
  const sig = base64(signature)
  const [name, apiVersion] = kind.split(' ')
  return { apiVersion, kind: name, spec: specOf() }

  function specOf(): Json {
    switch (kind) {
      case 'hashedrekord 0.0.1':
        return { data: { hash: hex(signed) }, signature: { content: sig, publicKey: { content: publicKey } } }
      case 'hashedrekord 0.0.2':
        return { hashedRekordV002: { data: digest(signed), signature: { content: sig, verifier } } }
      case 'dsse 0.0.1':
        return {
          envelopeHash: hex(payload),
          payloadHash: hex(payload),
          signatures: [{ signature: sig, verifier: publicKey }],
        }
      case 'dsse 0.0.2':
        return { dsseV002: { payloadHash: digest(payload), signatures: [{ content: sig, verifier }] } }
      case 'intoto 0.0.2':
        return {
          content: {
            envelope: {
              payloadType: 'application/vnd.in-toto+json',
              signatures: [{ publicKey, sig: base64(Buffer.from(sig)) }],
            },
            hash: hex(payload),
            payloadHash: hex(payload),
          },
        }
    }
  }
}

/** Puts an entry into a log of three leaves, as the middle one. */
function logEntry(options: EntryOptions, signed: Signed): Json {
  const kind = options.kind ?? 'dsse 0.0.1'
  const log = options.log ?? rekorKeys
  const logName = options.logName ?? REKOR
  const body = bodyOf(kind, signed)
  options.body?.(body)
  const text = JSON.stringify(body)
  const bytes = Buffer.from(options.text?.(text) ?? text)
  const noteId = sha256(`${logName}\n`, Buffer.of(1), spki(log).subarray(-32))
  const logId = options.ed25519 === true ? noteId : sha256(spki(log))
  const hash = options.ed25519 === true ? null : 'sha256'
  const integratedTime = Math.floor((options.integratedAt ?? at).getTime() / 1000)
  const evidence = options.with ?? 'both'
  const set = JSON.stringify({
    body: base64(bytes),
    integratedTime,
    logID: logId.toString('hex'),
    logIndex: 4711,
  })
  const leaf = sha256(Buffer.of(0), bytes)
  const [left, right] = [sha256(Buffer.of(0), 'left'), sha256(Buffer.of(0), 'right')]
  const rootHash = sha256(Buffer.of(1), sha256(Buffer.of(1), left, leaf), right)
  const honest = `${logName} - 1\n3\n${base64(rootHash)}\n`
  const note = options.note?.(honest) ?? honest
  const noteSignature = Buffer.concat([logId.subarray(0, 4), sign(hash, Buffer.from(note), log.privateKey)])
  const own = `\u2014 ${logName} ${base64(noteSignature)}\n`
  const [name, version] = kind.split(' ')
  const entry: Json = {
    logIndex: '4711',
    logId: { keyId: base64(logId) },
    kindVersion: { kind: name, version },
    integratedTime: evidence === 'proof' ? '0' : String(integratedTime),
    ...(evidence === 'proof'
      ? {}
      : { inclusionPromise: { signedEntryTimestamp: base64(sign(hash, Buffer.from(set), log.privateKey)) } }),
    ...(evidence === 'promise'
      ? {}
      : {
          inclusionProof: {
            logIndex: '1',
            rootHash: base64(rootHash),
            treeSize: '3',
            hashes: [base64(left), base64(right)],
            checkpoint: { envelope: `${note}\n${options.noteSignatures?.(own, note) ?? own}` },
          },
        }),
    canonicalizedBody: base64(bytes),
  }
  options.change?.(entry)
  return entry
}

export function ed25519Keys(): KeyPair {
  return generateKeyPairSync('ed25519')
}

/** A trusted_root.json of all this, with one thing changed. */
export function trustedRootOf(tsas: readonly Tsa[], change: (root: Json) => void = () => {}): Buffer {
  const validFor = { start: lasting.notBefore.toISOString() }
  const log = (keys: KeyPair, name: string): Json => ({
    baseUrl: `https://${name}`,
    hashAlgorithm: 'SHA2_256',
    publicKey: { rawBytes: base64(spki(keys)), keyDetails: 'PKIX_ECDSA_P256_SHA_256', validFor: { ...validFor } },
    logId: { keyId: base64(sha256(spki(keys))) },
  })
  const chain = (...ders: readonly Buffer[]): Json => ({ certificates: ders.map(der => ({ rawBytes: base64(der) })) })
  const made: Json = {
    mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
    tlogs: [log(rekorKeys, REKOR)],
    certificateAuthorities: [
      {
        subject: { organization: 'example.org', commonName: 'fulcio' },
        uri: 'https://fulcio.example.org',
        certChain: chain(intermediate.der, root.der),
        validFor: { ...validFor },
      },
    ],
    ctlogs: [log(ctKeys, 'ct.example.org')],
    timestampAuthorities: tsas.map(tsa => ({
      subject: { organization: 'example.org', commonName: 'tsa' },
      certChain: chain(...tsa.chain),
      validFor: { ...validFor },
    })),
  }
  change(made)
  return Buffer.from(JSON.stringify(made))
}

export const aboutOtherBytes = (): Digest => digestOf(Buffer.from('other bytes'))
