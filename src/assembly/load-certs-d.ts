import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ConfigError } from '../config/load-config.ts'
import type { ClientCertificate } from '../upstream/dial.ts'

/** What a host's directory below certs.d says. */
export type HostCertificates = {
  /** PEM, each: trusted beside the system's. */
  readonly ca: readonly string[]
  readonly clientCertificate: ClientCertificate | undefined
}

/**
 * Reads the certificates of a host from the first directory that has one for it: `*.crt` are CAs, `*.cert` with `*.key` of
 * the same name a client's certificate; other files are passed over. containers-certs.d(5).
 *
 * @param host as it is dialled, with its port if that is not the scheme's
 * @throws ConfigError for a half pair, and for two pairs: the certificate to show would be anybody's guess
 */
export async function loadCertsD(directories: readonly string[], host: string): Promise<HostCertificates | undefined> {
  for (const root of directories) {
    const directory = join(root, host)
    const names = await namesIn(directory)
    if (names === undefined) continue
    const read = (name: string): Promise<string> => readText(join(directory, name))
    const ca = await Promise.all(names.filter(name => name.endsWith('.crt')).map(read))
    const pairs = clientPairs(directory, names)
    const [pair, second] = pairs
    if (second !== undefined) throw problem(directory, `has ${pairs.length} client certificates, and one can be shown`)
    const clientCertificate =
      pair === undefined ? undefined : { cert: await read(`${pair}.cert`), key: await read(`${pair}.key`) }
    return { ca, clientCertificate }
  }
  return undefined
}

function clientPairs(directory: string, names: readonly string[]): readonly string[] {
  const stems = (ending: string): ReadonlySet<string> =>
    new Set(names.filter(name => name.endsWith(ending)).map(name => name.slice(0, -ending.length)))
  const certs = stems('.cert')
  const keys = stems('.key')
  for (const name of certs) if (!keys.has(name)) throw problem(directory, `${name}.cert has no ${name}.key beside it`)
  for (const name of keys) {
    // docker's own warning: a CA must be called .crt.
    if (!certs.has(name)) throw problem(directory, `${name}.key has no ${name}.cert beside it (.crt is a CA's ending)`)
  }
  return [...certs]
}

async function namesIn(directory: string): Promise<readonly string[] | undefined> {
  try {
    return (await readdir(directory)).toSorted()
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unreadable'
    if (code === 'ENOENT') return undefined
    throw problem(directory, `cannot be read (${code})`, cause)
  }
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unreadable'
    throw problem(path, `cannot be read (${code})`, cause)
  }
}

function problem(path: string, what: string, cause?: unknown): ConfigError {
  return new ConfigError('the configuration', [`certsD: ${path} ${what}`], { cause })
}
