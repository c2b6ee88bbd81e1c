import type { Due, Target } from './images.ts'
import type { PolicyState } from './trust-changes.ts'

/** What a client saw. `torn`: the connection or the body ended too soon; `late`: no end within the client's patience. */
export type Seen =
  | { readonly end: 'whole'; readonly status: number; readonly digest: string | undefined; readonly body: Buffer }
  | { readonly end: 'torn' | 'late' | 'aborted'; readonly status: number | undefined; readonly why: string }

export type Asked = {
  readonly target: Target
  readonly method: 'GET' | 'HEAD'
  /** First and last byte. */
  readonly range: readonly [number, number] | undefined
}

/** What may be answered while the upstream is in trouble: come again. */
const COME_AGAIN = [429, 502, 503, 504]

/**
 * What is wrong with an answer, or undefined.
 *
 * @param inForce the policy that was in force from the request to the answer; undefined: it changed, or may have
 */
export function wrongIn(
  { target, method, range }: Asked,
  seen: Seen,
  { inForce, faults }: { readonly inForce: PolicyState | undefined; readonly faults: 'on' | 'off' },
): string | undefined {
  if (seen.end === 'aborted') return undefined
  if (seen.end !== 'whole') {
    const mayBreak = target.what === 'blob' && faults === 'on'
    return mayBreak ? undefined : `${seen.end}: ${seen.why}`
  }
  const { status, body, digest } = seen
  if (COME_AGAIN.includes(status)) return faults === 'on' ? undefined : `${status} without a fault`
  const dues = statusesDue(target.due, inForce)
  const success = range === undefined ? 200 : 206
  if (status === 403) return dues.includes('refused') ? undefined : '403 for what is accepted'
  if (status !== success) return `status ${status}`
  if (!dues.includes('accepted')) return `${status} for what is refused`
  const { bytes } = target.blob
  const wanted = range === undefined ? bytes : bytes.subarray(range[0], range[1] + 1)
  if (digest !== target.blob.digest) return `${status} with the digest ${digest}`
  return method === 'HEAD' || wanted.equals(body) ? undefined : `${status} with wrong bytes (${body.length})`
}

function statusesDue(due: Due, inForce: PolicyState | undefined): readonly ('accepted' | 'refused')[] {
  switch (due) {
    case 'accepted':
    case 'refused':
      return [due]
    case 'child':
      return inForce === undefined ? ['accepted', 'refused'] : ['accepted']
    case 'swings':
      return ['accepted', 'refused']
    case 'by-one':
    case 'by-two':
      if (inForce === undefined) return ['accepted', 'refused']
      return [due === `by-${inForce}` ? 'accepted' : 'refused']
  }
}
