import type { Certificate, GeneralName } from './certificate.ts'
import { isAddress } from './host-name.ts'

const MAX_COMPARISONS = 10_000

/** The kinds of names that a constraint can be held against, by their tag in a GeneralName (RFC 5280 section 4.2.1.6). */
const MATCHERS: ReadonlyMap<number, (name: Buffer, constraint: Buffer) => boolean> = new Map([
  [1, emailMatches],
  [2, dnsMatches],
  [6, uriMatches],
  [7, addressMatches],
])

/** A name or constraint that cannot be compared; then nothing is permitted. */
class UnreadableName extends Error {
  override readonly name = 'UnreadableName'
}

/**
 * Whether a CA may name what the certificates below it name, by its name constraints (RFC 5280 section 4.2.1.10), critical
 * or not: a CA for good.example that says so in a non-critical extension has still no say over evil.example. As Go's
 * crypto/x509 holds it, but for constraints on kinds of names that Go passes over: they make the CA unusable (case 24).
 */
export function permitsNames(issuer: Certificate, below: readonly Certificate[]): boolean {
  if (issuer.nameConstraints === undefined) return true
  const { permitted, excluded } = issuer.nameConstraints
  const constraints = [...permitted, ...excluded]
  const names = below.flatMap(({ generalNames }) => generalNames)
  if (names.length * constraints.length > MAX_COMPARISONS) return false
  if (!constraints.every(({ tag }) => MATCHERS.has(tag))) return false
  try {
    return names.every(name => isPermitted(name, permitted) && !isListed(name, excluded))
  } catch (error) {
    if (!(error instanceof UnreadableName)) throw error
    return false
  }
}

/** A kind of names that no constraint is about is free. */
function isPermitted(name: GeneralName, permitted: readonly GeneralName[]): boolean {
  return !permitted.some(({ tag }) => tag === name.tag) || isListed(name, permitted)
}

function isListed(name: GeneralName, constraints: readonly GeneralName[]): boolean {
  const matches = MATCHERS.get(name.tag)
  if (matches === undefined) return false
  return constraints.some(({ tag, value }) => tag === name.tag && matches(name.value, value))
}

/** A constraint is a whole address, or a domain like that of a host name. */
function emailMatches(name: Buffer, constraint: Buffer): boolean {
  const address = splitAddress(name.toString('latin1'))
  const text = constraint.toString('latin1')
  if (!text.includes('@')) return domainMatches(address.domain, text)
  const only = splitAddress(text)
  return address.local === only.local && address.domain.toLowerCase() === only.domain.toLowerCase()
}

/** Quoted local parts are left out: two ways to write one address are two chances to slip past an exclusion. */
function splitAddress(text: string): { readonly local: string; readonly domain: string } {
  const [, local, domain] = /^([^@"\\\s]+)@([^@\s]+)$/.exec(text) ?? []
  if (local === undefined || domain === undefined) throw new UnreadableName('it has a broken e-mail address')
  return { local, domain }
}

function dnsMatches(name: Buffer, constraint: Buffer): boolean {
  return domainMatches(name.toString('latin1'), constraint.toString('latin1'))
}

/** A URI that has no host, or an address for one, cannot be under a constraint at all. */
function uriMatches(name: Buffer, constraint: Buffer): boolean {
  const text = name.toString('latin1')
  if (!URL.canParse(text)) throw new UnreadableName('it has a broken URI')
  const { hostname } = new URL(text)
  if (hostname === '' || isAddress(hostname)) {
    throw new UnreadableName('it has a URI without a host name')
  }
  return domainMatches(hostname, constraint.toString('latin1'))
}

/** `example.org` is for itself and what is below; `.example.org` for what is below; nothing is for all. */
function domainMatches(domain: string, constraint: string): boolean {
  if (constraint === '') return true
  const below = constraint.startsWith('.')
  const labels = labelsOf(domain)
  const wanted = labelsOf(below ? constraint.slice(1) : constraint)
  if (labels.length < wanted.length + (below ? 1 : 0)) return false
  return labels.slice(-wanted.length).join('.') === wanted.join('.')
}

function labelsOf(domain: string): readonly string[] {
  const labels = domain.toLowerCase().split('.')
  if (!labels.every(label => /^[\x21-\x7e]+$/.test(label))) throw new UnreadableName('it has a broken host name')
  return labels
}

/** A constraint is an address and its mask, one after the other. */
function addressMatches(name: Buffer, constraint: Buffer): boolean {
  const { length } = constraint
  if ((name.length !== 4 && name.length !== 16) || (length !== 8 && length !== 32)) {
    throw new UnreadableName('it has a broken IP address')
  }
  if (name.length * 2 !== length) return false
  const [network, mask] = [constraint.subarray(0, name.length), constraint.subarray(name.length)]
  return name.every((byte, index) => ((byte ^ (network[index] ?? 0)) & (mask[index] ?? 0xff)) === 0)
}
