import { createServer } from 'node:http'
import { cpus, release, tmpdir } from 'node:os'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parsePolicy } from '../src/policy/parse-policy.ts'
import { requirementsFor } from '../src/policy/requirements-for.ts'
import { parseImageReference } from '../src/reference/image-reference.ts'
import { EvilRegistry } from '../test/support/evil-registry.ts'
import {
  blobOf,
  ecdsaSigner,
  imageOf,
  payloadOf,
  sigManifest,
  signatureLayer,
  sigTag,
  type Blob,
} from '../test/support/signer.ts'
import { freePort, isInstalled, megabytesPerSecond, requestsPerSecond, residentMiB, start } from './programs.ts'
import { formatTable, median, type Row } from './table.ts'

/** `npm run bench`: ours and the peers side by side in one run, as ratios; writes docs/performance.md. */
const RUNS = 3
const MAIN = join(import.meta.dirname, '../src/main.ts')
const directory = mkdtempSync(join(tmpdir(), 'sealgate-bench-'))
process.on('exit', () => rmSync(directory, { recursive: true, force: true }))

const signer = ecdsaSigner()
writeFileSync(join(directory, 'cosign.pub'), signer.publicPem)
writeFileSync(
  join(directory, 'policy.json'),
  JSON.stringify({
    default: [{ type: 'reject' }],
    transports: { docker: { 'example.org': [{ type: 'sigstoreSigned', keyPath: 'cosign.pub' }] } },
  }),
)

async function startGate(upstream: string): Promise<{ url: string; pid: number | undefined }> {
  const [port, admin] = [await freePort(), await freePort()]
  const config = join(directory, `sealgate-${port}.yaml`)
  writeFileSync(
    config,
    `listen: 127.0.0.1:${port}\nadmin: 127.0.0.1:${admin}\npolicy: policy.json\nlog: error\ndefaultRegistry: example.org\nregistries:\n  example.org: { url: "${upstream}" }\n`,
  )
  const child = await start(process.execPath, [MAIN, 'serve', '--config', config], port)
  return { url: `http://127.0.0.1:${port}`, pid: child.pid }
}

/** An nginx with one worker. */
async function startNginx(name: string, server: string): Promise<string> {
  const port = await freePort()
  const file = join(directory, `${name}.conf`)
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map(kind => `${kind}_temp_path ${directory}/${name}-${kind};`)
    .join(' ')
  writeFileSync(
    file,
    `user root; daemon off; worker_processes 1; pid ${directory}/${name}.pid; error_log /dev/null; events { worker_connections 4096; }
http { access_log off; sendfile on; keepalive_requests 1000000; ${paths}
${server.replaceAll('LISTEN', `listen 127.0.0.1:${port}`)} }`,
  )
  await start('nginx', ['-c', file, '-p', directory], port)
  return `http://127.0.0.1:${port}`
}

/** A static registry: files laid out as the API's paths. */
function layOut(root: string, repository: string, kind: 'manifests' | 'blobs', name: string, blob: Blob): void {
  const folder = join(root, 'v2', repository, kind)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, name), blob.bytes)
}

async function againstNginx(): Promise<readonly Row[]> {
  const missing = ['nginx', 'wrk', 'curl'].filter(program => !isInstalled(program))
  if (missing.length > 0) {
    return [
      {
        work: 'manifest by digest, verdict cached',
        unit: '1/s',
        ours: [Number.NaN],
        peer: { name: 'nginx', absent: `${missing.join(', ')} not installed` },
        mustBe: '≥ 1.0',
      },
    ]
  }
  const root = join(directory, 'registry')
  const image = imageOf('bench').manifest
  const signatures = sigManifest([signatureLayer(signer, payloadOf(image.digest, 'example.org/test'))])
  layOut(root, 'test', 'manifests', 'latest', image)
  layOut(root, 'test', 'manifests', image.digest, image)
  layOut(root, 'test', 'manifests', sigTag(image.digest), signatures.manifest)
  for (const blob of signatures.blobs) layOut(root, 'test', 'blobs', blob.digest, blob)
  const large = blobOf(Buffer.alloc(200 * 1024 * 1024, 0x1f))
  layOut(root, 'test', 'blobs', large.digest, large)
  const upstream = await startNginx(
    'upstream',
    `server { LISTEN; root ${root}; default_type application/octet-stream; location ~ /manifests/ { default_type application/vnd.oci.image.manifest.v1+json; } }`,
  )
  const proxy = await startNginx(
    'proxy',
    `upstream up { server ${upstream.replace('http://', '')}; keepalive 64; } server { LISTEN; location / { proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; } }`,
  )
  const gate = await startGate(upstream)
  const path = `/v2/test/manifests/${image.digest}`
  const blobPath = `/v2/test/blobs/${large.digest}`
  const first = await fetch(gate.url + path)
  if (first.status !== 200) throw new Error(await first.text())
  await requestsPerSecond(gate.url + path, 2)
  const before = residentMiB(gate.pid)
  const manifests = { ours: [] as number[], peer: [] as number[] }
  const tags: number[] = []
  const blobs = { ours: [] as number[], peer: [] as number[] }
  for (let round = 0; round < RUNS; round += 1) {
    manifests.ours.push(await requestsPerSecond(gate.url + path, 3))
    manifests.peer.push(await requestsPerSecond(proxy + path, 3))
    tags.push(await requestsPerSecond(`${gate.url}/v2/test/manifests/latest`, 3))
    blobs.ours.push(await megabytesPerSecond(gate.url + blobPath))
    blobs.peer.push(await megabytesPerSecond(proxy + blobPath))
  }
  const growth = residentMiB(gate.pid) - before
  return [
    {
      work: 'manifest by digest, verdict cached',
      unit: '1/s',
      ours: manifests.ours,
      peer: { name: 'nginx proxy_pass, one worker', runs: manifests.peer },
      mustBe: '≥ 1.0',
    },
    {
      work: 'manifest by tag, fresh for a second',
      unit: '1/s',
      ours: tags,
      peer: { name: 'registry pull-through cache', absent: 'not measured in this run' },
      mustBe: '≥ 20',
    },
    {
      work: '200 MB blob',
      unit: 'MB/s',
      ours: blobs.ours,
      peer: { name: 'nginx proxy_pass', runs: blobs.peer },
      mustBe: '≥ 0.9',
    },
    { work: 'memory grown by these', unit: 'MiB', ours: [growth], peer: { name: '–', absent: '' }, mustBe: '≤ 32' },
  ]
}

async function coldPulls(): Promise<readonly Row[]> {
  const registry = new EvilRegistry()
  let delayMs = 100
  const server = createServer((request, response) => void setTimeout(() => registry.handle(request, response), delayMs))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const gate = await startGate(`http://127.0.0.1:${address.port}`)
  const timeOf = async (tag: string): Promise<number> => {
    const begun = performance.now()
    const answer = await fetch(`${gate.url}/v2/test/manifests/${tag}`)
    await answer.arrayBuffer()
    if (answer.status !== 200) throw new Error(`${tag}: ${answer.status}`)
    return performance.now() - begun
  }
  const far: number[] = []
  for (let round = 0; round < RUNS; round += 1) {
    registry.putSigned('test', `far${round}`, signer, 'example.org')
    far.push((await timeOf(`far${round}`)) / 100)
  }
  delayMs = 0
  const near: number[] = []
  for (let round = 0; round < 20; round += 1) {
    registry.putSigned('test', `near${round}`, signer, 'example.org')
    near.push(await timeOf(`near${round}`))
  }
  const herd = registry.putSigned('test', 'herd', signer, 'example.org')
  delayMs = 50
  registry.requests.length = 0
  await Promise.all(
    Array.from({ length: 2000 }, () =>
      fetch(`${gate.url}/v2/test/manifests/${herd.digest}`).then(
        async answer => (await answer.arrayBuffer(), answer.status),
      ),
    ),
  )
  const most = Math.max(registry.count(`manifests/${herd.digest}`), registry.count('.sig'))
  server.closeAllConnections()
  server.close()
  const none = { name: '–', absent: '' }
  return [
    { work: 'cold verdict, upstream 100 ms away', unit: 'round trips in a row', ours: far, peer: none, mustBe: '3' },
    {
      work: 'cold verdict of a key-signed image',
      unit: 'ms',
      ours: near,
      peer: { name: '`cosign verify` as a process', absent: '100 ms as measured before; not in this run' },
      mustBe: '≤ 0.1',
    },
    {
      work: '2,000 clients at once on one cold image',
      unit: 'upstream requests for each of manifest, signature',
      ours: [most],
      peer: none,
      mustBe: '1',
    },
  ]
}

function manyScopes(): readonly Row[] {
  const policyOf = (count: number): Buffer => {
    const scopes = Object.fromEntries(
      Array.from({ length: count }, (_, index) => [`h${index}.example/a`, [{ type: 'reject' }]]),
    )
    return Buffer.from(JSON.stringify({ default: [{ type: 'reject' }], transports: { docker: scopes } }))
  }
  const reference = parseImageReference('registry.example/a/b/c/d:1')
  const load: number[] = []
  const lookUp = { small: [] as number[], large: [] as number[] }
  for (let round = 0; round < RUNS; round += 1) {
    for (const [kind, count] of [
      ['small', 10],
      ['large', 100_000],
    ] as const) {
      const bytes = policyOf(count)
      const begun = performance.now()
      const parsed = parsePolicy(bytes)
      if (kind === 'large') load.push((performance.now() - begun) / 1000)
      if (!parsed.ok || reference === undefined) throw new Error('a broken policy')
      const started = performance.now()
      for (let turn = 0; turn < 100_000; turn += 1) requirementsFor(parsed.value, reference)
      lookUp[kind].push((performance.now() - started) / 100)
    }
  }
  return [
    { work: 'policy with 100,000 scopes: load', unit: 's', ours: load, peer: { name: '–', absent: '' }, mustBe: '≤ 2' },
    {
      work: 'look-up in 100,000 scopes',
      unit: 'µs',
      ours: lookUp.large,
      peer: { name: 'in ten scopes', runs: lookUp.small },
      mustBe: '≤ 1.5',
    },
  ]
}

const rows = [...manyScopes(), ...(await coldPulls()), ...(await againstNginx())]
const table = formatTable(rows)
const machine = `${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), Linux ${release()}, Node ${process.version}`
process.stdout.write(`${machine}\n\n${table}`)
writeFileSync(
  join(import.meta.dirname, '../docs/performance.md'),
  `# Performance\n\nWritten by \`npm run bench\`: ours and the peer's runs in turns, ${RUNS} of each, on one machine, which was not idle otherwise:\n${machine}.\nRatios are what counts; the numbers themselves are this machine's.\n\n${table}\nNot measured yet: the registry's pull-through cache and \`cosign verify\` in the same run, 100,000 distinct images, p99 beside ten blobs.\n`,
)
if (Number.isNaN(median(rows[0]?.ours ?? []))) process.exitCode = 1
process.exit()
