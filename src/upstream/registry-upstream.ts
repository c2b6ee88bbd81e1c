import { decodeJson, type JsonCursor } from '../json/decode.ts'
import type { Descriptor } from '../manifest/descriptor.ts'
import { MANIFEST_ACCEPT } from '../manifest/media-type.ts'
import { algorithmOf, digestMatches, digestOf, isDigest, type Digest } from '../reference/digest.ts'
import { isTag, type Repository, type Tag } from '../reference/repository.ts'
import type { AllowedHosts } from './allowed-hosts.ts'
import { openBlobAt } from './blob-request.ts'
import { readBounded } from './bounded-body.ts'
import type { FindCredentials } from './credentials/credentials.ts'
import {
  openDial,
  dialError,
  type ClientCertificate,
  type Dial,
  type DialAnswer,
  type DialTimeouts,
  type DialTrust,
} from './dial.ts'
import { letGo } from './let-go.ts'
import { openPush } from './push-client.ts'
import { RegistryClient } from './registry-client.ts'
import { ReferrersClient } from './referrers-client.ts'
import { SignatureListClient } from './signature-list-client.ts'
import { UpstreamError } from './upstream-error.ts'
import type { FetchedManifest, TagList, TagsPage, Upstream } from './upstream.ts'

export type RegistryUpstreamOptions = {
  /** Scheme, host and port. */
  readonly url: URL
  /** Put before the repository at the upstream. */
  readonly prefix: string | undefined
  readonly credentials: FindCredentials
  readonly trust: DialTrust
  /** Shown to the registry itself, and to no other host. */
  readonly clientCertificate?: ClientCertificate | undefined
  readonly redirectHosts: readonly string[]
  readonly tokenHosts: readonly string[]
  readonly timeouts: DialTimeouts
  readonly maxManifestBytes: number
  /** undefined: deny. */
  readonly push?: 'deny' | 'passthrough' | undefined
}

/**
 * How registries without the referrers API say so, beside 404. go-containerregistry and so cosign read 400 and 406 that
 * way; ghcr.io sends the request on to a page of its web site (303), where nothing of a registry is to be found.
 */
const LACKS_REFERRERS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308, 400, 406])
/** Sockets to the registry, and as many to each host that it points at. */
const MAX_CONNECTIONS = 128
/** There may be a hundred of them (`limits.viewers`), and each pulls for one node or one person. */
const MAX_VIEWER_CONNECTIONS = 16
const MAX_SIGNATURE_LIST_BYTES = 4 * 1024 * 1024
const MAX_TAGS_BYTES = 8 * 1024 * 1024
const JSON_LIMITS = { maxBytes: MAX_TAGS_BYTES, maxDepth: 8 }

/** A registry over HTTP or HTTPS: the pull side of distribution-spec 1.1 and the docker registry v2 API. */
export function openRegistryUpstream(options: RegistryUpstreamOptions): Upstream {
  const hosts: AllowedHosts = {
    upstream: options.url,
    tokenHosts: options.tokenHosts,
    redirectHosts: options.redirectHosts,
  }
  const openFor = (credentials: FindCredentials, maxConnections: number): Upstream => {
    // Sockets of its own too: what is left in one is for nobody with other credentials (case 160).
    const dial = openDial({
      origin: options.url,
      trust: options.trust,
      clientCertificate: options.clientCertificate,
      timeouts: options.timeouts,
      maxConnections,
    })
    return { ...askedWith(credentials, { options, hosts, dial }), close: () => dial.close() }
  }
  return {
    ...openFor(options.credentials, MAX_CONNECTIONS),
    seenBy: credentials => openFor(credentials, MAX_VIEWER_CONNECTIONS),
  }
}

type Connected = { readonly options: RegistryUpstreamOptions; readonly hosts: AllowedHosts; readonly dial: Dial }

/** What was granted to these credentials is in the client made here, and is nobody else's. */
function askedWith(credentials: FindCredentials, { options, hosts, dial }: Connected): Omit<Upstream, 'close'> {
  const client = new RegistryClient({ dial, hosts, credentials })
  const { host } = options.url

  const pathOf = ({ path }: Repository): string => (options.prefix === undefined ? path : `${options.prefix}/${path}`)
  /** Built from parsed parts alone: branded names need no escaping, and nothing of a client's URL gets here. */
  const urlOf = (repository: Repository, rest: string): URL => new URL(`/v2/${pathOf(repository)}/${rest}`, options.url)

  async function get(repository: Repository, url: URL, accept: string, signal: AbortSignal): Promise<DialAnswer> {
    const headers = { accept, 'accept-encoding': 'identity' }
    return client.send({ path: pathOf(repository), actions: 'pull' }, { method: 'GET', url, headers, signal })
  }

  /** A whole answer; undefined where there is no such thing. */
  async function read(
    repository: Repository,
    answer: DialAnswer,
    maxBytes: number,
    what: string,
  ): Promise<Uint8Array | undefined> {
    if (answer.status === 404) {
      letGo(answer.body)
      return undefined
    }
    if (answer.status !== 200) throw await client.refusal(pathOf(repository), answer, what)
    refuseEncoding(answer, host, what)
    try {
      return await readBounded(answer.body, maxBytes, what)
    } catch (error) {
      throw dialError(error, options.url)
    }
  }

  async function manifest(
    repository: Repository,
    reference: Tag | Digest,
    signal: AbortSignal,
  ): Promise<FetchedManifest | undefined> {
    const answer = await get(repository, urlOf(repository, `manifests/${reference}`), MANIFEST_ACCEPT, signal)
    const bytes = await read(repository, answer, options.maxManifestBytes, `the manifest ${reference}`)
    if (bytes === undefined) return undefined
    // Docker-Content-Digest is not asked: only the bytes tell their digest (case 109).
    if (isDigest(reference)) checkDigest(reference, bytes, host)
    return { bytes, contentType: answer.header('content-type') }
  }

  async function blob(
    repository: Repository,
    { digest, size }: Descriptor,
    signal: AbortSignal,
  ): Promise<Uint8Array | undefined> {
    const opened = await openBlobAt(
      { client, dial, hosts, path: pathOf(repository) },
      urlOf(repository, `blobs/${digest}`),
      {
        method: 'GET',
        range: undefined,
        signal,
      },
    )
    if (opened?.body === undefined) return undefined
    let bytes: Uint8Array
    try {
      bytes = await readBounded(opened.body, size, `the blob ${digest}`)
    } catch (error) {
      throw dialError(error, options.url)
    }
    checkDigest(digest, bytes, host)
    if (bytes.byteLength !== size) {
      throw new UpstreamError('DIGEST_MISMATCH', `${digest} has ${bytes.byteLength} bytes, its descriptor says ${size}`)
    }
    return bytes
  }

  async function tags(
    repository: Repository,
    { n, last }: TagsPage,
    signal: AbortSignal,
  ): Promise<TagList | undefined> {
    const url = urlOf(repository, 'tags/list')
    url.searchParams.set('n', String(n))
    if (last !== undefined) url.searchParams.set('last', last)
    const answer = await get(repository, url, 'application/json', signal)
    const bytes = await read(repository, answer, MAX_TAGS_BYTES, 'the list of tags')
    if (bytes === undefined) return undefined
    const decoded = decodeJson(bytes, decodeTags, JSON_LIMITS)
    if (!decoded.ok)
      throw new UpstreamError('BAD_ANSWER', `${host} sent a broken list of tags: ${decoded.problems[0].message}`)
    const all = decoded.value
    const page = all.slice(0, n)
    const end = page.at(-1)
    // Whether there is more is the upstream's word; from where, ours: its Link is not followed, nor handed on.
    const hasMore = end !== undefined && (all.length > n || answer.header('link')?.includes('rel="next"') === true)
    return { tags: page, next: hasMore ? { last: end } : undefined }
  }

  async function login(signal: AbortSignal): Promise<void> {
    const url = new URL('/v2/', options.url)
    const answer = await client.send('login', { method: 'GET', url, headers: {}, signal })
    if (answer.status !== 200) throw await client.refusal('', answer, 'a login')
    letGo(answer.body)
  }

  const referrers = new ReferrersClient({
    host,
    list: async (repository, url, accept, signal) => {
      const answer = await get(repository, url, accept, signal)
      if (LACKS_REFERRERS.has(answer.status)) {
        letGo(answer.body)
        return undefined
      }
      const bytes = await read(repository, answer, options.maxManifestBytes, 'the referrers')
      return bytes && { bytes, contentType: answer.header('content-type'), link: answer.header('link') }
    },
    urlOf: (repository, subject) => urlOf(repository, `referrers/${subject}`),
    manifest,
  })

  const extension = new SignatureListClient({
    get: (repository, path, signal) => get(repository, new URL(path, options.url), 'application/json', signal),
    read: (repository, answer) => read(repository, answer, MAX_SIGNATURE_LIST_BYTES, 'the list of signatures'),
    pathOf,
  })

  return {
    manifest,
    blob,
    tags,
    openBlob: (repository, digest, wanted) =>
      openBlobAt({ client, dial, hosts, path: pathOf(repository) }, urlOf(repository, `blobs/${digest}`), wanted),
    referrers: (repository, subject, signal) => referrers.find(repository, subject, signal),
    hasReferrersApi: (repository, subject, signal) => referrers.hasApi(repository, subject, signal),
    signatureList: (repository, digest, signal) => extension.find(repository, digest, signal),
    push: options.push === 'passthrough' ? openPush({ client, origin: options.url, pathOf }) : undefined,
    login,
  }
}

function checkDigest(digest: Digest, bytes: Uint8Array, host: string): void {
  if (digestMatches(digest, bytes)) return
  const actual = digestOf(bytes, algorithmOf(digest))
  throw new UpstreamError('DIGEST_MISMATCH', `${host} sent ${actual} when asked for ${digest}`, {
    digests: { expected: digest, actual },
  })
}

/** Bytes in another encoding are not the bytes that have the digest; they are never decoded (case 131). */
export function refuseEncoding(answer: DialAnswer, host: string, what: string): void {
  const encoding = answer.header('content-encoding')
  if (encoding === undefined || encoding.trim().toLowerCase() === 'identity' || encoding === '') return
  answer.body.destroy()
  throw new UpstreamError('BAD_ANSWER', `${host} sent ${what} encoded, though asked not to`)
}

function decodeTags(root: JsonCursor): readonly Tag[] | undefined {
  if (root.entries() === undefined) return undefined
  const tags = root.member('tags')
  if (tags === undefined || tags.node.kind === 'null') return []
  const items = tags.items()
  if (items === undefined) return undefined
  const texts = items.map(item => item.string())
  // A name that no pull could ask for is left out, so that it cannot do harm in an answer of ours.
  return texts.filter(text => text !== undefined).filter(isTag)
}
