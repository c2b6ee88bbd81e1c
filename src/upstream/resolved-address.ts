import { lookup as systemLookup } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import { UpstreamError } from './upstream-error.ts'

/** Asks DNS for all addresses of a name; node's own `dns.lookup`, or another in tests. */
export type ResolveAll = (
  name: string,
  done: (error: Error | null, addresses: readonly { readonly address: string; readonly family: number }[]) => void,
) => void

/** Why an address is not dialled for a host that a registry only points at; undefined where it may be dialled. */
export type AddressRefusal = 'metadata' | 'loopback' | undefined

/** What clouds answer their own machines at, with credentials: no registry, token server or blob store is ever there. */
const METADATA = blockList([
  ['169.254.0.0', 16, 'ipv4'],
  ['100.100.100.200', 32, 'ipv4'],
  ['168.63.129.16', 32, 'ipv4'],
  ['fe80::', 10, 'ipv6'],
  ['fd00:ec2::254', 128, 'ipv6'],
  ['fd20:ce::254', 128, 'ipv6'],
  // 169.254.0.0/16 as NAT64 and 6to4 write it.
  ['64:ff9b::a9fe:0', 112, 'ipv6'],
  ['2002:a9fe::', 32, 'ipv6'],
])

/** The gate's own machine; Linux takes the unspecified address for it. */
const LOOPBACK = blockList([
  ['127.0.0.0', 8, 'ipv4'],
  ['0.0.0.0', 8, 'ipv4'],
  ['::1', 128, 'ipv6'],
  ['::', 128, 'ipv6'],
])

/**
 * Judges one address that a host of tokenHosts, redirectHosts or the built-in list has (cases 157, 158). Private addresses
 * pass: closed networks have their token servers and stores there.
 *
 * @param address without brackets; a zone (`%eth0`) does not count
 */
export function refusedAddress(address: string, { loopbackIsFine }: { loopbackIsFine: boolean }): AddressRefusal {
  const bare = address.replace(/%.*$/, '')
  const family = isIP(bare) === 6 ? 'ipv6' : 'ipv4'
  if (METADATA.check(bare, family)) return 'metadata'
  return LOOPBACK.check(bare, family) && !loopbackIsFine ? 'loopback' : undefined
}

/** Whether a URL's host is this machine by its own spelling, so that nothing DNS says made it so. */
export function isLoopbackByName({ hostname }: URL): boolean {
  const bare = hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  if (isIP(bare) !== 0) return refusedAddress(bare, { loopbackIsFine: false }) === 'loopback'
  return bare === 'localhost' || bare.endsWith('.localhost')
}

/**
 * Checks a host that is written as an address: those are dialled without any look-up. A loopback address is fine here,
 * for it got past allowed-hosts.ts and so stands in the configuration as it is.
 *
 * @throws UpstreamError BLOCKED
 */
export function checkLiteralHost({ host, hostname }: URL): void {
  const bare = hostname.replace(/^\[|\]$/g, '')
  if (isIP(bare) === 0 || refusedAddress(bare, { loopbackIsFine: true }) === undefined) return
  throw new UpstreamError('BLOCKED', `${host} is a link-local or metadata address, which is never dialled`)
}

/**
 * A `lookup` for sockets that looks a name up once and connects to what was checked, so that a second answer of DNS
 * cannot differ (case 158). One address that may not be dialled is enough to refuse the name: who mixes them lies.
 */
export function guardedLookup(upstream: URL, resolveAll: ResolveAll = resolveBySystem): LookupFunction {
  const upstreamIsLoopback = isLoopbackByName(upstream)
  return (name, options, done) => {
    const loopbackIsFine = upstreamIsLoopback || name === 'localhost'
    resolveAll(name, (error, found) => {
      if (error !== null) return done(error, '')
      for (const { address } of found) {
        const refusal = refusedAddress(address, { loopbackIsFine })
        if (refusal !== undefined) {
          const what = refusal === 'metadata' ? 'a link-local or metadata address' : 'a loopback address'
          return done(new UpstreamError('BLOCKED', `${name} resolves to ${what}, which is not dialled for it`), '')
        }
      }
      const fitting = found.filter(({ family }) => !isFamily(options.family) || family === options.family)
      const [first] = fitting
      if (first === undefined) return done(new UpstreamError('UNREACHABLE', `${name} has no address`), '')
      return options.all === true ? done(null, [...fitting]) : done(null, first.address, first.family)
    })
  }
}

function isFamily(family: unknown): boolean {
  return family === 4 || family === 6
}

function resolveBySystem(name: string, done: Parameters<ResolveAll>[1]): void {
  systemLookup(name, { all: true }, done)
}

function blockList(rows: readonly (readonly [address: string, prefix: number, family: 'ipv4' | 'ipv6'])[]): BlockList {
  const list = new BlockList()
  for (const [address, prefix, family] of rows) list.addSubnet(address, prefix, family)
  return list
}
