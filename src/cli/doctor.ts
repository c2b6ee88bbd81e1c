import { glob, readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { ConfigError, loadConfig } from '../config/load-config.ts'
import { checkNode, NODE_FILES, stateOf } from '../nodes/doctor/check-node.ts'
import { containerdImports } from '../nodes/doctor/containerd.ts'
import type { Expected, Finding, NodeText } from '../nodes/doctor/finding.ts'
import { CANARY_CLIENTS, pullCanary } from './canary.ts'
import { gateHost } from './gate-host.ts'
import { EXIT, type Terminal } from './terminal.ts'

export type DoctorOptions = {
  readonly root: string
  readonly config?: string
  readonly gate?: string
  /** Registries that the gate serves, beside those of the configuration. */
  readonly registry?: readonly string[]
  readonly canary?: string
  readonly client: string
}

const REGISTRIES_UNKNOWN =
  'which registries the gate serves is not known, so whether each of them is closed cannot be told: say --config or --registry\n'

type State = ReturnType<typeof stateOf>

/** `sealgate doctor`: 0 closed, 1 open, 2 could not tell. */
export async function examineNode(options: DoctorOptions, terminal: Terminal): Promise<number> {
  try {
    const config = options.config === undefined ? undefined : await loadConfig(options.config)
    const gate = options.gate ?? (config && gateHost(config.listen))
    if (gate === undefined) {
      terminal.stderr('sealgate: say which gate: --gate HOST:PORT, or --config with an address to listen on\n')
      return EXIT.usage
    }
    const registries = [...(config?.registries.keys() ?? []), ...(options.registry ?? [])]
    const expected: Expected = { gate, registries }
    const files = await readNode(options.root)
    const findings = checkNode(files, expected)
    for (const finding of findings) terminal.stdout(formatFinding(finding))
    const state = worse(stateOf(files, findings), registries.length === 0 ? 'unknown' : 'closed')
    if (registries.length === 0) terminal.stdout(REGISTRIES_UNKNOWN)
    if (files.length === 0) terminal.stdout(`no client configuration found below ${options.root}\n`)
    const canary = options.canary === undefined ? state : await tryCanary(options.canary, options.client, terminal)
    const worst = worse(state, canary)
    terminal.stdout(`${worst}; images that are already on the node are not looked at again by a pull\n`)
    return { closed: 0, open: 1, unknown: 2 }[worst]
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    terminal.stderr(`sealgate: ${error.message}\n`)
    return EXIT.undecided
  }
}

function formatFinding({ severity, code, file, line, message, fix }: Finding): string {
  return `${severity} ${code}: ${file}${line === undefined ? '' : `:${line}`}: ${message}\n  change: ${fix}\n`
}

function worse(a: State, b: State): State {
  if (a === 'open' || b === 'open') return 'open'
  return a === 'unknown' ? a : b
}

/** By tag, and by digest: the digest is the one in `image`, or the one that the refusal of the tag names. */
async function tryCanary(image: string, clientName: string, terminal: Terminal): Promise<State> {
  const client = CANARY_CLIENTS.find(one => one === clientName)
  if (client === undefined) {
    terminal.stderr(`sealgate: ${JSON.stringify(clientName)} is none of ${CANARY_CLIENTS.join(', ')}\n`)
    return 'unknown'
  }
  const [name = '', given] = image.split('@')
  const byTag = await pullCanary(client, name)
  terminal.stdout(`canary ${name}: ${byTag.outcome}\n`)
  if (byTag.outcome === 'unclear') terminal.stdout(`  ${byTag.output.trim().split('\n').at(-1) ?? ''}\n`)
  const digest = given ?? /@(sha256:[0-9a-f]{64})/.exec(byTag.output)?.[1]
  if (digest === undefined) {
    terminal.stdout('canary by digest: its digest is not known; say --canary NAME:TAG@sha256:…\n')
    return stateOfCanary(byTag.outcome) === 'open' ? 'open' : 'unknown'
  }
  const target = `${name.replace(/:[^:/]+$/, '')}@${digest}`
  const byDigest = await pullCanary(client, target)
  terminal.stdout(`canary ${target}: ${byDigest.outcome}\n`)
  return worse(stateOfCanary(byTag.outcome), stateOfCanary(byDigest.outcome))
}

function stateOfCanary(outcome: 'arrived' | 'refused' | 'unclear'): State {
  return outcome === 'arrived' ? 'open' : outcome === 'refused' ? 'closed' : 'unknown'
}

async function readNode(root: string): Promise<readonly NodeText[]> {
  const paths: string[] = [...NODE_FILES.files]
  for (const directory of NODE_FILES.hostsDirectories)
    for (const name of await namesIn(join(root, directory))) paths.push(`${directory}/${name}/hosts.toml`)
  for (const name of await namesIn(join(root, NODE_FILES.dropIns)))
    if (name.endsWith('.conf')) paths.push(`${NODE_FILES.dropIns}/${name}`)
  for (const pattern of NODE_FILES.homes) {
    const homes = pattern.endsWith('/*') ? await namesIn(join(root, pattern.slice(0, -2))) : ['']
    for (const home of homes) {
      for (const name of NODE_FILES.inHomes) paths.push(`${pattern.replace('*', home)}/${name}`)
    }
  }
  const files = await readThere(root, paths)
  const containerd = files.find(({ path }) => path === '/etc/containerd/config.toml')
  if (containerd === undefined) return files
  const imported: string[] = []
  for (const pattern of containerdImports(containerd)) {
    for await (const path of glob(join(root, pattern))) imported.push(`/${relative(root, path)}`)
  }
  return [...files, ...(await readThere(root, imported))]
}

/** Those of the files that are there. */
async function readThere(root: string, paths: readonly string[]): Promise<readonly NodeText[]> {
  const files = await Promise.all(paths.map(async path => ({ path, text: await textOf(join(root, path)) })))
  return files.flatMap(({ path, text }) => (text === undefined ? [] : [{ path, text }]))
}

async function namesIn(directory: string): Promise<readonly string[]> {
  return readdir(directory).catch((error: unknown) => {
    if (isAbsent(error)) return []
    throw error
  })
}

async function textOf(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    if (isAbsent(error)) return undefined
    throw error
  })
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')
}
