import type { RegistryHost } from '../reference/repository.ts'
import type { Config } from './config.ts'

/** What is right setting by setting and cannot be meant together; every problem names the path of its setting. */
export function contradictionsIn(config: Config): readonly string[] {
  const { defaultRegistry, registries, hostNames } = config
  const problems: string[] = []
  const namesUsers = config.auth.kind !== 'none' || config.tls?.clientCa !== undefined
  for (const [host, place] of registries) {
    if ('url' in place && place.credentials === 'client' && config.auth.kind !== 'none') {
      const why = 'a client has one login to send, and "auth" takes it for the gate\'s own'
      problems.push(`registries["${host}"].credentials: ${why}`)
    }
    if ('pushers' in place && place.pushers !== undefined && !namesUsers) {
      problems.push(`registries["${host}"].pushers: users have no names here: set "auth" or "tls.clientCa"`)
    }
  }
  if (defaultRegistry !== undefined && !registries.has(defaultRegistry)) {
    problems.push(`defaultRegistry: ${defaultRegistry} is not among the registries`)
  }
  const scopes = new Set<string>()
  for (const [index, rule] of config.signatureRepositories.entries()) {
    const path = `signatureRepositories[${index}]`
    if (!registries.has(rule.repository.host)) {
      problems.push(`${path}.repository: ${rule.repository.host} is not among the registries`)
    }
    const kept = registries.get(rule.repository.host)
    if (
      kept !== undefined &&
      'url' in kept &&
      kept.credentials === 'client' &&
      !isOf(rule.repository.host, rule.scope)
    ) {
      problems.push(
        `${path}.repository: ${rule.repository.host} has "credentials: client", and a login is for one registry`,
      )
    }
    if (scopes.has(rule.scope)) problems.push(`${path}.scope: ${rule.scope} is there already`)
    scopes.add(rule.scope)
  }
  for (const [name, host] of hostNames) {
    if (!registries.has(host)) problems.push(`hostNames["${name}"]: ${host} is not among the registries`)
  }
  return problems
}

function isOf(host: RegistryHost, text: string): boolean {
  return text === host || text.startsWith(`${host}/`)
}
