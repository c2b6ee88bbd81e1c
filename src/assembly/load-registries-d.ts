import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { ConfigError } from '../config/load-config.ts'
import type { LookasideConfig } from '../signatures/lookaside.ts'
import {
  formatRegistriesDProblem,
  isRegistriesDName,
  parseRegistriesD,
  type RegistriesDFile,
} from '../signatures/registries-d.ts'
import { readLocalFile } from '../trust/local-file.ts'
import { messageOf } from '../trust/trust-error.ts'

const MAX_FILE_BYTES = 1024 * 1024

/** Reads a registries.d directory, containers-registries.d(5): its *.yaml files together. @throws ConfigError */
export async function loadRegistriesD(directory: string): Promise<LookasideConfig> {
  let names: readonly string[]
  try {
    names = (await readdir(directory)).filter(isRegistriesDName).sort()
  } catch (cause) {
    throw new ConfigError('the configuration', [`lookaside: ${directory} cannot be read: ${messageOf(cause)}`], {
      cause,
    })
  }
  const files: RegistriesDFile[] = []
  for (const name of names) {
    const { bytes } = await readLocalFile(join(directory, name), MAX_FILE_BYTES)
    if (bytes !== undefined) files.push({ name, bytes })
  }
  const parsed = parseRegistriesD(files)
  if (parsed.ok) return parsed.value
  throw new ConfigError(directory, parsed.problems.map(formatRegistriesDProblem))
}
