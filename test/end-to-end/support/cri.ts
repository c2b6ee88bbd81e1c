import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Client, credentials } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { majorVersion, type NodeFile } from '../../../src/nodes/client-config/client-config.ts'
import type { Pull } from './clients.ts'
import { writeNode } from './containerd.ts'
import { limits } from './limits.ts'
import { inPrivateMounts } from './private-hosts.ts'
import { must, startServer, type Server } from './processes.ts'

const SERVICE = 'runtime.v1.ImageService'

export interface Cri extends Server {
  /** PullImage as kubelet asks for it, with nothing there from before. A login is the pull secret's. */
  readonly pull: (image: string, login?: { readonly username: string; readonly password: string }) => Promise<Pull>
}

/**
 * A containerd with its CRI plugin, on a node whose /etc/containerd is what `sealgate client-config` wrote: config.toml with only
 * places of the test's own added, and certs.d where it belongs. No image is ever run.
 */
export async function startCri(
  { program, version }: { readonly program: string; readonly version: string },
  directory: string,
  files: readonly NodeFile[],
): Promise<Cri> {
  const old = majorVersion(version) === 1
  await mkdir(directory, { recursive: true })
  const certsD = await writeNode(join(directory, 'node'), files)
  const generated = files.find(({ path }) => path === '/etc/containerd/config.toml')?.content ?? ''
  const socket = join(directory, 'cri.sock')
  const file = join(directory, 'config.toml')
  const lines = [
    `root = "${join(directory, 'root')}"`,
    `state = "${join(directory, 'state')}"`,
    generated,
    ...(old ? ['[plugins."io.containerd.grpc.v1.cri".containerd]', native] : nativeOfVersion2),
    '[grpc]',
    `  address = "${socket}"`,
    '[ttrpc]',
    `  address = "${socket}.ttrpc"`,
    '',
  ]
  await writeFile(file, lines.join('\n'))
  const client = new Client(`unix:${socket}`, credentials.createInsecure())
  const call = async (name: string, request: object): Promise<object> => callMethod(client, name, request)
  const server = await startServer({
    ...inPrivateMounts({ program, args: ['--config', file] }, [{ from: join(certsD, '..'), over: '/etc/containerd' }]),
    logFile: join(directory, 'containerd.log'),
    isReady: async () => call('ImageStatus', { image: { image: 'none' } }).then(isAnswer, isNone),
  })
  return {
    ...server,
    stop: async () => {
      client.close()
      await server.stop()
    },
    pull: async (image, auth) => {
      await call('RemoveImage', { image: { image } })
      try {
        await call('PullImage', { image: { image }, ...(auth && { auth }) })
      } catch (error) {
        return { outcome: 'refused', terminal: error instanceof Error ? error.message : String(error) }
      }
      const status = JSON.stringify(await call('ImageStatus', { image: { image } }))
      return { outcome: 'arrived', digests: status.match(/sha256:[0-9a-f]{64}/g) ?? [] }
    },
  }
}

// The snapshotter that works anywhere; 2.x wants to be told twice.
const native = 'snapshotter = "native"'
const nativeOfVersion2 = [
  '[plugins."io.containerd.cri.v1.images"]',
  native,
  '[[plugins."io.containerd.transfer.v1.local".unpack_config]]',
  `platform = "linux/${process.arch === 'x64' ? 'amd64' : process.arch}"`,
  native,
]

/** `1.6.20` of `containerd github.com/containerd/containerd 1.6.20~ds1 …`, or of `… v2.2.9 …`. */
export async function containerdVersion(program: string): Promise<string> {
  return /\sv?(\d+\.\d+\.\d+)/.exec(await must({ program, args: ['--version'] }))?.[1] ?? ''
}

const isAnswer = (): boolean => true
/** Nobody there yet: startServer bounds how often it is asked. */
const isNone = (): boolean => false

async function callMethod(client: Client, name: string, request: object): Promise<object> {
  const definition = loadSync(fileURLToPath(new URL('./proto/cri-images.proto', import.meta.url)), { keepCase: true })
  const service = definition[SERVICE]
  const method = service !== undefined && typeof service['format'] !== 'string' ? service[name] : undefined
  if (typeof method !== 'object' || !('requestSerialize' in method)) throw new Error(`no ${SERVICE}/${name}`)
  const { path, requestSerialize, responseDeserialize } = method
  const deadline = Date.now() + limits.command
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, { deadline }, (error, answer) => {
      if (error) reject(error)
      else resolve(answer ?? {})
    })
  })
}
