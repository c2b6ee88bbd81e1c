import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { must, type Command } from './processes.ts'

/** Where helm may write; for publishing charts too. */
export function helmHome(directory: string): Readonly<Record<string, string>> {
  const home = join(directory, 'helm')
  return { HELM_CACHE_HOME: home, HELM_CONFIG_HOME: home, HELM_DATA_HOME: home }
}

/** Pushes an empty chart of that name, as helm does, to `charts/NAME:1.0.0` of a registry that speaks plain HTTP. */
export async function pushChart(
  programs: { readonly helm: string },
  {
    directory,
    registryHost,
    name,
  }: { readonly directory: string; readonly registryHost: string; readonly name: string },
): Promise<void> {
  const helm = (...args: readonly string[]): Command => ({ program: programs.helm, args, env: helmHome(directory) })
  const chart = join(directory, `chart-${name}`)
  await mkdir(join(chart, 'templates'), { recursive: true })
  await writeFile(join(chart, 'Chart.yaml'), `apiVersion: v2\nname: ${name}\nversion: 1.0.0\n`)
  await must(helm('package', chart, '--destination', directory))
  await must(helm('push', join(directory, `${name}-1.0.0.tgz`), `oci://${registryHost}/charts`, '--plain-http'))
}
