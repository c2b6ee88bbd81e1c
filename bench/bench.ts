import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ecdsaSigner, type Blob, type Signer } from '../test/support/signer.ts'
import { openLoad, type Load } from './load.ts'
import { freePort, start } from './programs.ts'

/** The gate as it is installed: what a checkout adds by stripping types is not what is measured. */
const MAIN = join(import.meta.dirname, '../dist/main.js')

export type Gate = { readonly url: string; readonly pid: number | undefined }

/** What all rows have in common: a directory that goes with the process, a key, a policy that asks for it. */
export class Bench {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'sealgate-bench-'))
  readonly load: Load = openLoad()
  readonly signer: Signer = ecdsaSigner()
  readonly publicKey: string = join(this.directory, 'cosign.pub')

  constructor() {
    process.on('exit', () => rmSync(this.directory, { recursive: true, force: true }))
    writeFileSync(this.publicKey, this.signer.publicPem)
    writeFileSync(
      join(this.directory, 'policy.json'),
      JSON.stringify({
        default: [{ type: 'reject' }],
        transports: { docker: { 'example.org': [{ type: 'sigstoreSigned', keyPath: 'cosign.pub' }] } },
      }),
    )
  }

  async startGate(upstream: string, settings: Readonly<Record<string, unknown>> = {}): Promise<Gate> {
    const [port, admin] = [await freePort(), await freePort()]
    const config = join(this.directory, `sealgate-${port}.yaml`)
    writeFileSync(
      config,
      JSON.stringify({
        listen: `127.0.0.1:${port}`,
        admin: `127.0.0.1:${admin}`,
        policy: 'policy.json',
        log: 'error',
        defaultRegistry: 'example.org',
        registries: { 'example.org': { url: upstream } },
        ...settings,
      }),
    )
    const child = await start(process.execPath, [MAIN, 'serve', '--config', config], port)
    return { url: `http://127.0.0.1:${port}`, pid: child.pid }
  }

  /** An nginx with one worker; LISTEN in `server` is its address. */
  async startNginx(name: string, server: string): Promise<string> {
    const port = await freePort()
    const file = join(this.directory, `${name}.conf`)
    const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map(kind => `${kind}_temp_path ${this.directory}/${name}-${kind};`)
      .join(' ')
    writeFileSync(
      file,
      `user root; daemon off; worker_processes 1; pid ${this.directory}/${name}.pid; error_log /dev/null; events { worker_connections 4096; }
http { access_log off; sendfile on; keepalive_requests 1000000; ${paths}
${server.replaceAll('LISTEN', `listen 127.0.0.1:${port}`)} }`,
    )
    await start('nginx', ['-c', file, '-p', this.directory], port)
    return `http://127.0.0.1:${port}`
  }

  /** The CNCF registry; with `remote` as a pull-through cache of another. */
  async startRegistry(name: string, remote?: string): Promise<string> {
    const port = await freePort()
    const file = join(this.directory, `${name}.yml`)
    const settings = {
      version: 0.1,
      log: { level: 'error', accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: join(this.directory, name) } },
      http: { addr: `127.0.0.1:${port}` },
      ...(remote === undefined ? {} : { proxy: { remoteurl: remote } }),
    }
    writeFileSync(file, JSON.stringify(settings))
    await start('docker-registry', ['serve', file], port)
    return `http://127.0.0.1:${port}`
  }

  /** A static registry: files laid out as the API's paths, served by an nginx. */
  async startStaticRegistry(name: string, contents: readonly StaticFile[]): Promise<string> {
    const root = join(this.directory, name)
    for (const { repository, kind, reference, blob } of contents) {
      const folder = join(root, 'v2', repository, kind)
      mkdirSync(folder, { recursive: true })
      writeFileSync(join(folder, reference), blob.bytes)
    }
    return this.startNginx(
      `${name}-server`,
      `server { LISTEN; root ${root}; default_type application/octet-stream; location = /v2/ { return 200 "{}"; } location ~ /manifests/ { default_type application/vnd.oci.image.manifest.v1+json; } }`,
    )
  }
}

export type StaticFile = {
  readonly repository: string
  readonly kind: 'manifests' | 'blobs'
  readonly reference: string
  readonly blob: Blob
}

/** Puts a blob into a real registry. */
export async function pushBlob(registry: string, repository: string, { bytes, digest }: Blob): Promise<void> {
  const begun = await fetch(`${registry}/v2/${repository}/blobs/uploads/`, { method: 'POST' })
  const location = new URL(begun.headers.get('location') ?? '', registry)
  location.searchParams.set('digest', digest)
  const done = await fetch(location, { method: 'PUT', body: new Uint8Array(bytes) })
  if (done.status !== 201) throw new Error(`pushing ${digest}: ${done.status} ${await done.text()}`)
}

export async function pushManifest(
  registry: string,
  repository: string,
  tag: string,
  { bytes, mediaType }: Blob,
): Promise<void> {
  const done = await fetch(`${registry}/v2/${repository}/manifests/${tag}`, {
    method: 'PUT',
    body: new Uint8Array(bytes),
    headers: { 'content-type': mediaType },
  })
  if (done.status !== 201) throw new Error(`pushing ${tag}: ${done.status} ${await done.text()}`)
}
