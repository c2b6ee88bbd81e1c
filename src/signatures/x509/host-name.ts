import type { Certificate } from './certificate.ts'

/**
 * Whether a certificate is for a host, as Go's `VerifyHostname` and so containers/image decides it: an IP address, with or
 * without brackets, by the IP addresses in the certificate only; any other name by its DNS names, without regard to case,
 * where `*` stands for exactly the first label. The common name is never looked at.
 *
 * Node's `checkHost` is looser: it takes a host that begins with a dot for "any host below", and finds IP addresses among
 * DNS names.
 */
export function isForHost({ x509, alternativeNames }: Certificate, host: string): boolean {
  const address = /^\[(.+)\]$/.exec(host)?.[1] ?? host
  if (isAddress(address)) return x509.checkIP(address) !== undefined
  return alternativeNames.some(({ type, value }) => type === 'dns' && matches(value.toLowerCase(), host.toLowerCase()))
}

/** Told apart by its form: nothing that looks like an address is ever compared with DNS names. */
export function isAddress(host: string): boolean {
  return host.includes(':') || /^[0-9]+(?:\.[0-9]+){3}$/.test(host)
}

const LABELS = /^[a-z0-9_][a-z0-9_-]*(?:\.[a-z0-9_][a-z0-9_-]*)*$/

function matches(pattern: string, host: string): boolean {
  const bare = host.replace(/\.$/, '')
  const fixed = pattern.startsWith('*.') ? pattern.slice(2) : pattern
  // What is no host name, on either side, is equal or nothing: no wildcard, no dot at the end.
  if (!LABELS.test(bare) || !LABELS.test(fixed)) return pattern === host && host !== '' && host !== '.'
  if (fixed === pattern) return pattern === bare
  return bare.slice(bare.indexOf('.') + 1) === fixed && bare.includes('.')
}
