import type { ByteBudget } from '../cache/byte-budget.ts'
import type { FoundSignatures } from '../signatures/found-signatures.ts'
import type { UntrustedSignature } from '../signatures/signature.ts'
import type { FindSignatures } from './decide.ts'

/** The signatures that one verdict has in its hands, counted against what all verdicts may have (case 212). */
export type HeldSignatures = {
  /** The look-up, held to the budget: what there is no room for could not be found out, and is never "none". */
  readonly within: (find: FindSignatures) => FindSignatures
  /** When the verdict is there. */
  readonly release: () => void
}

export function heldSignatures(budget: ByteBudget | undefined): HeldSignatures {
  if (budget === undefined) return { within: find => find, release: () => undefined }
  const releases: (() => void)[] = []
  return {
    within: find => async kind => {
      const found = await find(kind)
      const release = budget.hold(found, sizeOf(found))
      if (release === undefined) return NO_ROOM
      releases.push(release)
      return found
    },
    release() {
      for (const release of releases.splice(0)) release()
    },
  }
}

const NO_ROOM: FoundSignatures = {
  signatures: [],
  failures: [{ place: 'memory', cause: new Error('too many bytes of signatures are being looked at') }],
  leftOut: [],
}

function sizeOf({ signatures }: FoundSignatures): number {
  return signatures.reduce((sum, signature) => sum + bytesOf(signature), 0)
}

function bytesOf(signature: UntrustedSignature): number {
  switch (signature.format) {
    case 'simple-signing': {
      const { untrustedPayload, untrustedAnnotations } = signature
      return [...untrustedAnnotations].reduce(
        (sum, [name, value]) => sum + name.length + value.length,
        untrustedPayload.byteLength,
      )
    }
    case 'bundle':
    case 'gpg':
      return signature.untrustedBytes.byteLength
    case 'unusable':
      return 0
  }
}
