import { createHash } from 'node:crypto'
import { decodeJson, formatProblem, type JsonCursor } from '../../json/decode.ts'
import { pemBlocks } from '../x509/pem.ts'
import { decodeBytes, given } from './decode-fields.ts'
import type { UntrustedLogEntry } from './decode-log-entry.ts'

/** What a log entry must be about. */
export type Logged = {
  /** What the signature is over. */
  readonly signedBytes: Uint8Array
  /** The envelope's payload; undefined for a message signature. */
  readonly payload: Uint8Array | undefined
  readonly signature: Uint8Array
  /** Who made it, as the entry has to name it: a public key (SPKI) or a certificate, as DER. */
  readonly signer: { readonly label: 'PUBLIC KEY' | 'CERTIFICATE'; readonly der: Uint8Array }
}

/** An entry's text, and of what kind it is said to be. */
export type QuotedEntry = Pick<UntrustedLogEntry, 'kind' | 'version' | 'body'>

const LIMITS = { maxBytes: 1024 * 1024, maxDepth: 16 }

/** What an entry's body says, whatever its kind. */
type Body = {
  readonly of: 'signed bytes' | 'payload'
  readonly hash: string
  readonly digest: Buffer
  readonly signature: Buffer
  readonly signer: Signer
}
/** Version 1 names the signer in PEM, version 2 in DER. */
type Signer = { readonly pem: string } | { readonly label: Logged['signer']['label']; readonly der: Buffer }

/**
 * Whether an entry is about this very signature: its hash, the signature's bytes and the signer, all three. A genuine
 * entry of somebody else proves nothing (CVE-2022-23649, CVE-2026-22703; cases 1, 2, 6), and @sigstore/verify compares
 * neither the signer nor the name of the hash (case 3; section L, a). The one function for all ways that an entry comes.
 *
 * @param hashes the hashes that the entry may name; any that is known, if left out
 * @returns what is wrong, or undefined
 */
export function bindingProblem(entry: QuotedEntry, logged: Logged, hashes?: ReadonlySet<string>): string | undefined {
  const decode = KINDS.get(`${entry.kind} ${entry.version}`)
  if (decode === undefined) return 'its log entry is of a kind that is not known'
  const decoded = decodeJson(entry.body, root => decodeBody(root, entry, decode), LIMITS)
  if (!decoded.ok) return `its log entry cannot be read: ${formatProblem(decoded.problems[0])}`
  const body = decoded.value
  if (hashes?.has(body.hash) === false) return 'its log entry names a hash that is not taken'
  const about = body.of === 'payload' ? logged.payload : logged.signedBytes
  if (about === undefined || !createHash(body.hash).update(about).digest().equals(body.digest)) {
    return 'its log entry is about something else'
  }
  if (!body.signature.equals(logged.signature)) return 'its log entry is about another signature'
  return isSigner(body.signer, logged.signer) ? undefined : 'its log entry is about another signer'
}

function isSigner(named: Signer, signer: Logged['signer']): boolean {
  if ('der' in named) return named.label === signer.label && named.der.equals(signer.der)
  const [block, another] = pemBlocks(named.pem, signer.label) ?? []
  return block !== undefined && another === undefined && block.equals(signer.der)
}

type DecodeSpec = (spec: JsonCursor) => Body | undefined

function decodeBody(root: JsonCursor, entry: QuotedEntry, decode: DecodeSpec): Body | undefined {
  const top = root.object({ required: ['apiVersion', 'kind', 'spec'] })
  if (top === undefined) return undefined
  const kind = top.kind.string()
  const version = top.apiVersion.string()
  if (kind === undefined || version === undefined) return undefined
  if (kind !== entry.kind || version !== entry.version) return top.kind.fail('is not the kind that the bundle says')
  return decode(top.spec)
}

const KINDS: ReadonlyMap<string, DecodeSpec> = new Map([
  ['hashedrekord 0.0.1', decodeHashedRekord1],
  ['hashedrekord 0.0.2', decodeHashedRekord2],
  ['dsse 0.0.1', decodeDsse1],
  ['dsse 0.0.2', decodeDsse2],
  ['intoto 0.0.2', decodeInToto2],
])

const HASHES_1: ReadonlyMap<string, string> = new Map([
  ['sha256', 'sha256'],
  ['sha384', 'sha384'],
  ['sha512', 'sha512'],
])
const HASHES_2: ReadonlyMap<string, string> = new Map([
  ['SHA2_256', 'sha256'],
  ['SHA2_384', 'sha384'],
  ['SHA2_512', 'sha512'],
])

function decodeHash(cursor: JsonCursor, known: ReadonlyMap<string, string>): string | undefined {
  const name = cursor.string()
  return name === undefined ? undefined : (known.get(name) ?? cursor.fail('is not a hash that is taken'))
}

const HEX = /^(?:[0-9a-f]{2})+$/

function decodeHexHash(cursor: JsonCursor | undefined): Pick<Body, 'hash' | 'digest'> | undefined {
  const fields = cursor?.object({ required: ['algorithm', 'value'] })
  const hash = fields && decodeHash(fields.algorithm, HASHES_1)
  const hex = fields?.value.string()
  if (fields === undefined || hash === undefined || hex === undefined) return undefined
  return HEX.test(hex) ? { hash, digest: Buffer.from(hex, 'hex') } : fields.value.fail('is not a digest')
}

function decodePem(cursor: JsonCursor | undefined): { readonly pem: string } | undefined {
  const bytes = decodeBytes(cursor)
  return bytes && { pem: bytes.toString('latin1') }
}

function decodeHashedRekord1(cursor: JsonCursor): Body | undefined {
  const spec = cursor.object({ required: ['data', 'signature'] })
  const hash = decodeHexHash(spec?.data.object({ required: ['hash'] })?.hash)
  const fields = spec?.signature.object({ required: ['content', 'publicKey'] })
  const signature = decodeBytes(fields?.content)
  const signer = decodePem(fields?.publicKey.object({ required: ['content'] })?.content)
  return hash && signature && signer ? { of: 'signed bytes', ...hash, signature, signer } : undefined
}

/** The hash of the envelope is over a JSON text that is not kept; payload, signature and signer are what counts. */
function decodeDsse1(cursor: JsonCursor): Body | undefined {
  const spec = cursor.object({ required: ['envelopeHash', 'payloadHash', 'signatures'] })
  const envelope = decodeHexHash(spec?.envelopeHash)
  const hash = decodeHexHash(spec?.payloadHash)
  const fields = onlyOne(spec?.signatures)?.object({ required: ['signature', 'verifier'] })
  const signature = decodeBytes(fields?.signature)
  const signer = decodePem(fields?.verifier)
  return envelope && hash && signature && signer ? { of: 'payload', ...hash, signature, signer } : undefined
}

/** The signature is in base64 twice. */
function decodeInToto2(cursor: JsonCursor): Body | undefined {
  const content = cursor
    .object({ required: ['content'] })
    ?.content.object({ required: ['envelope', 'hash', 'payloadHash'] })
  const envelope = content?.envelope.object({ required: ['payloadType', 'signatures'], optional: ['payload'] })
  const envelopeHash = decodeHexHash(content?.hash)
  const hash = decodeHexHash(content?.payloadHash)
  const fields = onlyOne(envelope?.signatures)?.object({ required: ['publicKey', 'sig'], optional: ['keyid'] })
  const once = decodeBytes(fields?.sig)
  const signer = decodePem(fields?.publicKey)
  if (!envelopeHash || !hash || !once || !signer) return undefined
  const text = once.toString('latin1')
  const signature = Buffer.from(text, 'base64')
  if (signature.toString('base64') !== text) return fields?.sig.fail('is not base64 of base64')
  return { of: 'payload', ...hash, signature, signer }
}

function decodeHashedRekord2(cursor: JsonCursor): Body | undefined {
  const spec = cursor
    .object({ required: ['hashedRekordV002'] })
    ?.hashedRekordV002.object({ required: ['data', 'signature'] })
  const hash = decodeBytesHash(spec?.data)
  const signed = decodeSignature2(spec?.signature)
  return hash && signed ? { of: 'signed bytes', ...hash, ...signed } : undefined
}

function decodeDsse2(cursor: JsonCursor): Body | undefined {
  const spec = cursor.object({ required: ['dsseV002'] })?.dsseV002.object({ required: ['payloadHash', 'signatures'] })
  const hash = decodeBytesHash(spec?.payloadHash)
  const signed = decodeSignature2(onlyOne(spec?.signatures))
  return hash && signed ? { of: 'payload', ...hash, ...signed } : undefined
}

function decodeBytesHash(cursor: JsonCursor | undefined): Pick<Body, 'hash' | 'digest'> | undefined {
  const fields = cursor?.object({ required: ['algorithm', 'digest'] })
  const hash = fields && decodeHash(fields.algorithm, HASHES_2)
  const digest = decodeBytes(fields?.digest)
  return hash && digest ? { hash, digest } : undefined
}

function decodeSignature2(cursor: JsonCursor | undefined): Pick<Body, 'signature' | 'signer'> | undefined {
  const fields = cursor?.object({ required: ['content', 'verifier'] })
  const signature = decodeBytes(fields?.content)
  const verifier = fields?.verifier.object({ required: ['keyDetails'], optional: ['publicKey', 'x509Certificate'] })
  if (!signature || !verifier || verifier.keyDetails.nonEmptyString() === undefined) return undefined
  const key = given(verifier.publicKey)
  const certificate = given(verifier.x509Certificate)
  const [named, another] = [key, certificate].filter(one => one !== undefined)
  if (named === undefined || another !== undefined) {
    return cursor?.fail('must name one signer, by publicKey or x509Certificate')
  }
  const der = decodeBytes(named.object({ required: ['rawBytes'] })?.rawBytes)
  return der && { signature, signer: { label: key === undefined ? 'CERTIFICATE' : 'PUBLIC KEY', der } }
}

function onlyOne(cursor: JsonCursor | undefined): JsonCursor | undefined {
  const items = cursor?.items()
  if (cursor === undefined || items === undefined) return undefined
  const [first, another] = items
  return first === undefined || another !== undefined ? cursor.fail('must hold exactly one signature') : first
}
