import { verify } from 'node:crypto'
import { decodeBase64 } from '../json/base64.ts'
import { decodeJson, formatProblem, type JsonCursor } from '../json/decode.ts'
import { bindingProblem } from './bundle/log-entry-body.ts'
import type { TrustedKey } from './public-key.ts'

/** What a log entry must be bound to. */
export type LoggedSignature = {
  readonly payload: Uint8Array
  readonly signature: Uint8Array
  /** The signer as the entry has to name it: a public key (SPKI) or a certificate, as DER. */
  readonly signer: { readonly label: 'PUBLIC KEY' | 'CERTIFICATE'; readonly der: Uint8Array }
}

export type RekorVerdict =
  { readonly ok: true; readonly loggedAt: Date } | { readonly ok: false; readonly problem: string }

const LIMITS = { maxBytes: 1024 * 1024, maxDepth: 8 }
/** What cosign logs, and all that containers/image takes. */
const HASHED_REKORD = { kind: 'hashedrekord', version: '0.0.1' } as const
const HASHES: ReadonlySet<string> = new Set(['sha256'])
const CLOCK_SKEW_MS = 5 * 60 * 1000

/**
 * Checks the `dev.sigstore.cosign/bundle` annotation: Rekor's signed entry timestamp over an entry, and that the entry is
 * about this payload, this signature and this signer. Without the binding any genuine entry would do (CVE-2022-23649,
 * CVE-2026-22703; cases 1 to 4, 67).
 */
export function checkRekorSet(args: {
  readonly untrustedSet: Uint8Array
  readonly logged: LoggedSignature
  readonly rekorKeys: readonly TrustedKey[]
  readonly now: Date
}): RekorVerdict {
  const parsed = parseRekorSet(args.untrustedSet)
  if (!parsed.ok) return refuse(parsed.problem)
  const { timestamp, body, integratedTime, logIndex, logId } = parsed.set
  // RFC 8785: keys in order, no blanks; base64, hex and whole numbers need no escapes.
  const signed = `{"body":"${body}","integratedTime":${integratedTime},"logID":"${logId}","logIndex":${logIndex}}`
  if (!args.rekorKeys.some(key => isSignedBy(key, Buffer.from(signed), timestamp))) {
    return refuse(`its log entry is not signed by ${args.rekorKeys.map(key => key.name).join(' or ')}`)
  }
  const { payload: signedBytes, ...rest } = args.logged
  const entry = { ...HASHED_REKORD, body: Buffer.from(body, 'base64') }
  const problem = bindingProblem(entry, { ...rest, signedBytes, payload: undefined }, HASHES)
  if (problem !== undefined) return refuse(problem)
  const loggedAt = new Date(integratedTime * 1000)
  if (loggedAt.getTime() > args.now.getTime() + CLOCK_SKEW_MS) return refuse('its log entry is from the future')
  return { ok: true, loggedAt }
}

/** Rekor v1 signs its timestamps with ECDSA and SHA-256, as containers/image asks; not what a signer of images may use. */
function isSignedBy({ algorithm, key }: TrustedKey, signed: Uint8Array, timestamp: Uint8Array): boolean {
  return algorithm.startsWith('ecdsa-') && verify('sha256', signed, { key, dsaEncoding: 'der' }, timestamp)
}

/** A signed entry timestamp and what it is over, as the annotation quotes them. Nothing has been checked but the form. */
export type UntrustedSet = {
  readonly timestamp: Uint8Array
  /** Base64 text, as it is signed. */
  readonly body: string
  /** Seconds since 1970. */
  readonly integratedTime: number
  readonly logIndex: number
  /** 64 hex digits. */
  readonly logId: string
}

export type ParsedSet =
  { readonly ok: true; readonly set: UntrustedSet } | { readonly ok: false; readonly problem: string }

/** Reads a `dev.sigstore.cosign/bundle` annotation, for a caller that has its own rules for log entries. */
export function parseRekorSet(untrustedSet: Uint8Array): ParsedSet {
  const decoded = decodeJson(untrustedSet, decodeSet, LIMITS)
  if (decoded.ok) return { ok: true, set: decoded.value }
  return { ok: false, problem: `its log entry cannot be read: ${formatProblem(decoded.problems[0])}` }
}

function decodeSet(root: JsonCursor): UntrustedSet | undefined {
  const top = root.object({ required: ['SignedEntryTimestamp', 'Payload'] })
  const payload = top?.Payload.object({ required: ['body', 'integratedTime', 'logIndex', 'logID'] })
  if (top === undefined || payload === undefined) return undefined
  const timestamp = decodeBytes(top.SignedEntryTimestamp)
  const body = decodeBytes(payload.body)
  const integratedTime = payload.integratedTime.integer(0, 8.64e12)
  const logIndex = payload.logIndex.integer(0)
  const logId = payload.logID.string()
  if (logId !== undefined && !/^[0-9a-f]{64}$/.test(logId)) payload.logID.fail('is not the id of a log')
  if (!timestamp || !body || integratedTime === undefined || logIndex === undefined || logId === undefined)
    return undefined
  return { timestamp, body: Buffer.from(body).toString('base64'), integratedTime, logIndex, logId }
}

function decodeBytes(cursor: JsonCursor): Uint8Array | undefined {
  const text = cursor.nonEmptyString()
  return text === undefined ? undefined : (decodeBase64(text) ?? cursor.fail('is not base64'))
}

function refuse(problem: string): RekorVerdict {
  return { ok: false, problem }
}
