/**
 * One thing a doctor has to say about a node. `open`: a way round the gate; `unknown`: the files can't tell; `warning`: does
 * not by itself let an image past.
 */
export type Finding = {
  readonly severity: 'open' | 'unknown' | 'warning'
  readonly code: FindingCode
  readonly file: string
  readonly line?: number | undefined
  readonly message: string
  /** The line to change, or what to do. */
  readonly fix: string
}

export type FindingCode =
  | 'unreadable'
  | 'hosts-server-not-gate'
  | 'hosts-without-host-block'
  | 'hosts-other-host'
  | 'hosts-missing'
  | 'tls-unverified'
  | 'config-path-unset'
  | 'config-path-list'
  | 'config-path-elsewhere'
  | 'config-imports'
  | 'not-read'
  | 'legacy-mirrors'
  | 'image-verifier'
  | 'docker-mirrors'
  | 'docker-old-store'
  | 'docker-egress'
  | 'containers-not-gate'
  | 'containers-mirror-falls-back'
  | 'containers-other-mirror'
  | 'containers-prefix-never-matches'
  | 'containers-missing'
  | 'k3s-default-endpoint'
  | 'k3s-not-gate'
  | 'k3s-missing'
  | 'buildkit-mirrors'
  | 'buildkit-egress'

/** A file of the node: `path` absolute there, whatever root it was read below. */
export type NodeText = { readonly path: string; readonly text: string }

/** What should be: the gate's host and port, and the registries it serves. */
export type Expected = { readonly gate: string; readonly registries: readonly string[] }

/** 1-based line of the first line that `wanted` matches, or that holds it. */
export function lineOf(text: string, wanted: RegExp | string): number | undefined {
  const index = text
    .split('\n')
    .findIndex(line => (typeof wanted === 'string' ? line.includes(wanted) : wanted.test(line)))
  return index < 0 ? undefined : index + 1
}
