import type { Config } from '../config/config.ts'
import { ConfigError } from '../config/load-config.ts'
import type { KeyBroker } from '../keybroker/broker.ts'
import { defaultResource } from '../keybroker/default-resources.ts'
import { parseResourceName, type ResourceKind, type ResourceName } from '../keybroker/resource.ts'
import type { AskBroker } from '../trust/load-snapshot.ts'
import type { MaterialKind } from '../trust/snapshot.ts'

type KeyBrokerConfig = NonNullable<Config['keyBroker']>

/** Kinds of material that a broker has a resource for without being told which; the others need a line in `resources`. */
const DEFAULTS: Readonly<Record<MaterialKind, ResourceKind | undefined>> = {
  'cosign-key': 'cosign-key',
  'gpg-keyring': 'gpg-keyring',
  'rekor-key': undefined,
  ca: undefined,
  'trusted-root': undefined,
}

/**
 * What stands at a broker for the places that a policy names: a kbs URI for itself, a path for what the configuration's
 * `resources` say, or else for the one resource of its kind.
 *
 * @throws ConfigError if `resources` has something that is no resource
 */
export function askBrokerWith(broker: KeyBroker, config: KeyBrokerConfig): AskBroker {
  const resources = new Map<string, ResourceName>()
  for (const [path, text] of Object.entries(config.resources)) {
    const parsed = parseResourceName(text)
    if (!parsed.ok) throw new ConfigError('the configuration', [`keyBroker.resources["${path}"]: ${parsed.problem}`])
    resources.set(path, parsed.value)
  }
  const form = config.kind === 'attestation-agent-2022' ? 'name' : 'kbs'

  function resourceFor(kind: MaterialKind | 'policy', name: string): ResourceName | undefined {
    if (kind === 'policy' || name.startsWith('kbs:')) {
      const parsed = parseResourceName(name)
      if (parsed.ok) return parsed.value
      throw new Error(parsed.problem)
    }
    const configured = resources.get(name)
    if (configured !== undefined) return configured
    const standard = DEFAULTS[kind]
    if (standard === undefined) return undefined
    return form === 'name' ? defaultResource(standard, 'name') : defaultResource(standard, 'kbs')
  }

  return async ({ kind, name }, signal) => {
    const resource = resourceFor(kind, name)
    if (resource === undefined) return undefined
    return { bytes: await broker.get(resource, signal), from: broker.describe() }
  }
}
