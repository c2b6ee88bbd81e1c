import { sign } from 'node:crypto'
import type { Digest } from '../../src/reference/digest.ts'
import { at, certify, intermediate, rekorKeys, root, sha256, spki, type Json } from './local-sigstore.ts'
import { payloadOf } from './signer.ts'
import { pem, type Authority, type KeyPair } from './x509.ts'

/** A keyless signature as cosign 2 writes it on a layer of a `.sig` manifest, by the local sigstore. */
export type AttachedKeyless = {
  readonly payload: Buffer
  readonly annotations: Readonly<Record<string, string>>
}

export type AttachedKeylessOptions = {
  readonly leaf?: Authority
  readonly payload?: Buffer
  /** What makes the signature, if not the key of the certificate. */
  readonly keys?: KeyPair
  readonly hash?: string
  readonly log?: KeyPair
  readonly integratedAt?: Date
  /** Changes what the log is told, and so signs. */
  readonly body?: (body: Json) => void
  /** Changes what the log has signed. */
  readonly set?: (set: Json) => void
  readonly timestamp?: (signature: Buffer) => Promise<Buffer>
  /** Last of all: what nobody has signed; undefined takes an annotation away. */
  readonly change?: Readonly<Record<string, string | undefined>>
}

const base64 = (bytes: Buffer | string): string => Buffer.from(bytes).toString('base64')

export async function attachedKeyless(
  digest: Digest,
  reference: string,
  options: AttachedKeylessOptions = {},
): Promise<AttachedKeyless> {
  const leaf = options.leaf ?? certify()
  const payload = options.payload ?? payloadOf(digest, reference)
  const signature = sign(options.hash ?? 'sha256', payload, (options.keys ?? leaf.keys).privateKey)
  const annotations: Record<string, string | undefined> = {
    'dev.cosignproject.cosign/signature': base64(signature),
    'dev.sigstore.cosign/certificate': pem(leaf),
    'dev.sigstore.cosign/chain': `${pem(intermediate)}${pem(root)}`,
    'dev.sigstore.cosign/bundle': rekorBundle(leaf, payload, signature, options),
  }
  const stamp = await options.timestamp?.(signature)
  if (stamp !== undefined) {
    annotations['dev.sigstore.cosign/rfc3161timestamp'] = JSON.stringify({ SignedRFC3161Timestamp: base64(stamp) })
  }
  const kept = Object.entries({ ...annotations, ...options.change }).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, value] as const],
  )
  return { payload, annotations: Object.fromEntries(kept) }
}

/** Rekor's signed entry timestamp, and the entry that it is over. */
function rekorBundle(leaf: Authority, payload: Buffer, signature: Buffer, options: AttachedKeylessOptions): string {
  const log = options.log ?? rekorKeys
  const body: Json = {
    apiVersion: '0.0.1',
    kind: 'hashedrekord',
    spec: {
      data: { hash: { algorithm: 'sha256', value: sha256(payload).toString('hex') } },
      signature: { content: base64(signature), publicKey: { content: base64(pem(leaf)) } },
    },
  }
  options.body?.(body)
  const Payload: Json = {
    body: base64(JSON.stringify(body)),
    integratedTime: Math.floor((options.integratedAt ?? at).getTime() / 1000),
    logIndex: 4711,
    logID: sha256(spki(log)).toString('hex'),
  }
  const { integratedTime, logIndex, logID } = Payload
  const signed = JSON.stringify({ body: Payload['body'], integratedTime, logID, logIndex })
  const set: Json = { SignedEntryTimestamp: base64(sign('sha256', Buffer.from(signed), log.privateKey)), Payload }
  options.set?.(set)
  return JSON.stringify(set)
}
