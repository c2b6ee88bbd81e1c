/** How a policy names a target of the configured TUF repository instead of a file: `tuf:trusted_root.json`. */
const PREFIX = 'tuf:'
/** Path components that begin with a letter or digit: none is `..`, none is hidden, nothing needs escaping in a URL. */
const TARGET = /^[A-Za-z0-9][A-Za-z0-9._-]*(?:\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/
const MAX_TARGET_NAME = 200

export type TufPlace =
  /** A file, or a resource of a key broker. */
  | { readonly is: 'elsewhere' }
  | { readonly is: 'target'; readonly target: string }
  | { readonly is: 'malformed'; readonly problem: string }

/** Reads a `trustedRootPath`. A file whose name begins with `tuf:` is written `./tuf:…`. */
export function parseTufPlace(place: string): TufPlace {
  if (!place.startsWith(PREFIX)) return { is: 'elsewhere' }
  const target = place.slice(PREFIX.length)
  return target.length <= MAX_TARGET_NAME && TARGET.test(target)
    ? { is: 'target', target }
    : { is: 'malformed', problem: 'names no TUF target: expected a path like tuf:trusted_root.json' }
}
