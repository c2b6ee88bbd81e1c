import { readFile } from 'node:fs/promises'
import { ConfigError } from '../config/load-config.ts'

/** The text of a file that a setting names. @throws ConfigError */
export async function readSettingFile(setting: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unreadable'
    throw new ConfigError('the configuration', [`${setting}: ${path} cannot be read (${code})`], { cause })
  }
}
