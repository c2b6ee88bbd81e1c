import { ConfigError, loadConfig } from '../config/load-config.ts'
import { egressHosts } from '../nodes/client-config/client-config.ts'
import { CLIENTS, clientConfig } from '../nodes/client-config/generate.ts'
import { gateHost } from './gate-host.ts'
import { EXIT, type Terminal } from './terminal.ts'

export type ClientConfigOptions = {
  readonly config: string
  readonly gate?: string
  readonly clientVersion?: string
  readonly ca?: string
}

/** `sealgate client-config CLIENT`: the files for a node, then what they can't do. */
export async function printClientConfig(
  name: string,
  options: ClientConfigOptions,
  terminal: Terminal,
): Promise<number> {
  const client = CLIENTS.find(one => one === name)
  if (client === undefined) {
    terminal.stderr(`sealgate: ${JSON.stringify(name)} is none of ${CLIENTS.join(', ')}\n`)
    return EXIT.usage
  }
  try {
    const config = await loadConfig(options.config)
    const host = options.gate ?? gateHost(config.listen)
    if (host === undefined) {
      terminal.stderr('sealgate: the gate listens on a socket or on every address: say --gate HOST:PORT\n')
      return EXIT.usage
    }
    const registries = [...config.registries.keys()]
    const gate = { host, tls: config.tls !== undefined, caPath: options.ca }
    const { closedBy, files, notes } = clientConfig(client, { registries, gate, clientVersion: options.clientVersion })
    for (const { path, content } of files) terminal.stdout(`### ${path}\n${content}\n`)
    terminal.stdout('### notes\n')
    for (const note of notes) terminal.stdout(`# ${note}\n`)
    const egress = egressHosts(registries).join(' ')
    terminal.stdout(
      closedBy === 'files'
        ? `# With these files ${client} does not fall back. Block egress as well: ${egress}\n`
        : `# NOT CLOSED: ${client} is closed only by blocking egress from the node to: ${egress}\n`,
    )
    return EXIT.ok
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    terminal.stderr(`sealgate: ${error.message}\n`)
    return EXIT.failed
  }
}
