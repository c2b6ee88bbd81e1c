import { algorithmOf, hexOf, type Digest } from '../reference/digest.ts'
import type { ImageReference } from '../reference/image-reference.ts'
import type { Repository } from '../reference/repository.ts'
import { scopesOf } from '../reference/scope.ts'

declare const brand: unique symbol

/** Where a configuration keeps signatures beside a registry: an http, https or file URL. `parseLookasideBase` makes it. */
export type LookasideBase = string & { readonly [brand]: 'LookasideBase' }

/** What registries.d says about one namespace; undefined where it says nothing. */
export type LookasideSection = {
  readonly lookaside: LookasideBase | undefined
  readonly useSigstoreAttachments: boolean | undefined
}

/** All files of a registries.d directory together. containers-registries.d(5). */
export type LookasideConfig = {
  readonly defaultDocker: LookasideSection | undefined
  /** By scope: `registry.example.com`, `docker.io/library/busybox:latest`. */
  readonly docker: ReadonlyMap<string, LookasideSection>
}

export const NO_LOOKASIDE: LookasideConfig = { defaultDocker: undefined, docker: new Map() }

/** @returns undefined for what is no URL to read from; credentials, queries and fragments are refused as well */
export function parseLookasideBase(text: string): LookasideBase | undefined {
  return isLookasideBase(text) ? text : undefined
}

function isLookasideBase(text: string): text is LookasideBase {
  if (!/^(?:https?|file):\/\//.test(text) || !URL.canParse(text)) return false
  const url = new URL(text)
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') return false
  return url.protocol === 'file:' ? url.host === '' : url.host !== ''
}

/**
 * Where the signatures of images of this reference are: the most specific namespace that names a place, then
 * default-docker. Without either there is none: the /var/lib/containers/sigstore that containers/image falls back to is
 * the signer's own disk, not a gate's.
 */
export function lookasideFor(config: LookasideConfig, reference: ImageReference): LookasideBase | undefined {
  return sectionsFor(config, reference).find(section => section.lookaside !== undefined)?.lookaside
}

/**
 * What registries.d says about looking for cosign's `.sig` tags; undefined where it says nothing (for containers/image
 * that means no; Sealgate always looks, see design.md section 6, so this is for warnings).
 */
export function usesSigstoreAttachments(config: LookasideConfig, reference: ImageReference): boolean | undefined {
  return sectionsFor(config, reference).find(section => section.useSigstoreAttachments !== undefined)
    ?.useSigstoreAttachments
}

function sectionsFor(config: LookasideConfig, reference: ImageReference): readonly LookasideSection[] {
  return [...scopesOf(reference).map(scope => config.docker.get(scope)), config.defaultDocker].filter(
    section => section !== undefined,
  )
}

/**
 * The directory of an image's signatures: `<base>/<path of the repository>@sha256=<hex>`, docs/signature-protocols.md.
 * Repository and digest are parsed values, so no `..`, `%2f` or `?` can be in them (case 85, CVE-2024-3727).
 */
export function lookasideLocation(base: LookasideBase, repository: Repository, digest: Digest): string {
  const url = new URL(base)
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/${repository.path}@${algorithmOf(digest)}=${hexOf(digest)}`
  return url.href
}
