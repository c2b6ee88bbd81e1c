import {
  formatResource,
  resourceKey,
  type KbsResource,
  type NamedResource,
  type Parsed,
  type ResourceKind,
  type ResourceName,
} from './resource.ts'

/** The same thing under its name of 2022 and its path of 2023 and later (keybroker.md section 1, test names). */
type Pair = { readonly kind: ResourceKind; readonly named: NamedResource; readonly kbs: KbsResource }

const PAIRS: readonly Pair[] = [
  pair('policy', 'Policy', 'security-policy'),
  pair('cosign-key', 'Cosign Key', 'cosign-public-key'),
  pair('gpg-keyring', 'GPG Keyring', 'gpg-public-config'),
  pair('sigstore-config', 'Sigstore Config', 'sigstore-config'),
]

function pair(kind: ResourceKind, name: string, type: string): Pair {
  return {
    kind,
    named: { kind: 'name', name },
    kbs: { kind: 'kbs', host: '', repository: 'default', type, tag: 'test' },
  }
}

/** Which resource stands for a kind of thing where the configuration names none. Every broker here takes either form. */
export function defaultResource(kind: ResourceKind, form: 'name'): NamedResource
export function defaultResource(kind: ResourceKind, form: 'kbs'): KbsResource
export function defaultResource(kind: ResourceKind, form: 'name' | 'kbs'): ResourceName {
  const found = PAIRS.find(candidate => candidate.kind === kind)
  if (found === undefined) throw new Error(`no default resource for ${kind}`)
  return form === 'name' ? found.named : found.kbs
}

/** The resource by its name of 2022, for brokers that know no paths. */
export function asNamed(resource: ResourceName): Parsed<NamedResource> {
  if (resource.kind === 'name') return { ok: true, value: resource }
  const found = PAIRS.find(({ kbs }) => resourceKey(kbs) === resourceKey(resource))
  if (found !== undefined) return { ok: true, value: found.named }
  const names = PAIRS.map(({ named }) => named.name).join(', ')
  return { ok: false, problem: `${formatResource(resource)} has no name that an agent of 2022 knows (${names})` }
}

/** The resource by its path, for brokers that know no names. */
export function asKbs(resource: ResourceName): Parsed<KbsResource> {
  if (resource.kind === 'kbs') return { ok: true, value: resource }
  const found = PAIRS.find(({ named }) => named.name === resource.name)
  if (found !== undefined) return { ok: true, value: found.kbs }
  return {
    ok: false,
    problem: `${formatResource(resource)} is a name of 2022 without a path of today: write kbs:///repository/type/tag`,
  }
}
