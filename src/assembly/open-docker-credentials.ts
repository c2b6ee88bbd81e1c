import { ConfigError } from '../config/load-config.ts'
import { DockerCredentials } from '../upstream/credentials/docker-credentials.ts'
import { parseDockerConfig, type DockerConfig } from '../upstream/credentials/docker-config.ts'
import { UpstreamError } from '../upstream/upstream-error.ts'
import { readSettingFile } from './read-setting-file.ts'

/** Credentials by a docker config.json, which has to be readable now and is read anew from then on. @throws ConfigError */
export async function openDockerCredentials(path: string): Promise<DockerCredentials> {
  await read(path)
  return new DockerCredentials(async () => {
    try {
      return await read(path)
    } catch (cause) {
      // Without the path: this is read by whoever pulls.
      throw new UpstreamError('CREDENTIALS_UNREADABLE', 'the credentials (dockerConfig) cannot be read', { cause })
    }
  })
}

async function read(path: string): Promise<DockerConfig> {
  const parsed = parseDockerConfig(Buffer.from(await readSettingFile('dockerConfig', path)))
  if (parsed.ok) return parsed.config
  throw new ConfigError(
    path,
    parsed.problems.map(problem => `dockerConfig: ${problem}`),
  )
}
