import { fileURLToPath } from 'node:url'
import { loadSync } from '@grpc/proto-loader'
import t from 'tap'

/**
 * What stands on the wire, byte by byte. The first three layouts have one method name between them, and strings only:
 * each decodes the others' requests without a complaint, which is why the generation is configured and then probed.
 */

const OURS = '../../src/keybroker/proto/'

function methodOf(file: string): Method {
  const definitions = loadSync(fileURLToPath(new URL(file, import.meta.url)), { keepCase: true, defaults: true })
  for (const definition of Object.values(definitions)) {
    if ('GetResource' in definition) return (definition as unknown as { readonly GetResource: Method }).GetResource
  }
  throw new Error(`${file} has no GetResource`)
}

type Fields = Readonly<Record<string, unknown>>
type Method = {
  readonly path: string
  readonly requestSerialize: (fields: Fields) => Buffer
  readonly requestDeserialize: (bytes: Buffer) => Fields
  readonly responseSerialize: (fields: Fields) => Buffer
  readonly responseDeserialize: (bytes: Buffer) => Fields
}

const OF_2022 = methodOf(`${OURS}getresource-2022.proto`)
const OF_2023 = methodOf(`${OURS}getresource-2023.proto`)
const BETWEEN = methodOf('../support/proto/getresource-2023-02.proto')
const CDH = methodOf(`${OURS}cdh-api.proto`)

/** Length-delimited fields as number → text, read by hand: every length here is below 128. */
function rawFields(bytes: Buffer): readonly (readonly [number, string])[] {
  const fields: (readonly [number, string])[] = []
  for (let at = 0; at < bytes.byteLength;) {
    const tag = bytes.readUInt8(at)
    const length = bytes.readUInt8(at + 1)
    if ((tag & 7) !== 2 || length > 127) throw new Error(`not a short length-delimited field at ${at}`)
    fields.push([tag >> 3, bytes.toString('utf8', at + 2, at + 2 + length)])
    at += 2 + length
  }
  return fields
}

t.test('method names', async t => {
  t.equal(OF_2022.path, '/getresource.GetResourceService/GetResource')
  t.equal(OF_2023.path, OF_2022.path)
  t.equal(BETWEEN.path, OF_2022.path)
  t.equal(CDH.path, '/api.GetResourceService/GetResource')
})

t.test('field numbers of requests', async t => {
  const of2022 = { KbcName: 'offline_fs_kbc', KbsUri: 'null', ResourceDescription: '{"name":"Policy","optional":{}}' }
  t.same(rawFields(OF_2022.requestSerialize(of2022)), [
    [1, 'offline_fs_kbc'],
    [2, 'null'],
    [3, '{"name":"Policy","optional":{}}'],
  ])
  t.same(rawFields(OF_2023.requestSerialize({ ResourcePath: '/a/b/c', KbcName: 'offline_fs_kbc', KbsUri: 'null' })), [
    [1, '/a/b/c'],
    [2, 'offline_fs_kbc'],
    [3, 'null'],
  ])
  t.same(rawFields(CDH.requestSerialize({ ResourcePath: 'kbs:///a/b/c' })), [[1, 'kbs:///a/b/c']])
  const bytes = OF_2023.requestSerialize({ ResourcePath: '/a/b/c', KbcName: 'k', KbsUri: 'n' })
  t.equal(bytes.toString('hex'), '0a062f612f622f6312016b1a016e')
})

t.test('the answer', async t => {
  for (const method of [OF_2022, OF_2023, CDH]) {
    t.equal(method.responseSerialize({ Resource: Buffer.from('key') }).toString('hex'), '0a036b6579')
    t.same(method.responseDeserialize(Buffer.from('0a036b6579', 'hex')), { Resource: Buffer.from('key') })
    t.same(method.responseDeserialize(Buffer.alloc(0)), { Resource: Buffer.alloc(0) }, 'no field is an empty resource')
  }
})

t.test('requests that are read by another generation land in the wrong fields', async t => {
  const of2022 = OF_2022.requestSerialize({ KbcName: 'offline_fs_kbc', KbsUri: 'null', ResourceDescription: '{}' })
  const of2023 = OF_2023.requestSerialize({ ResourcePath: '/a/b/c', KbcName: 'offline_fs_kbc', KbsUri: 'null' })
  t.same(OF_2023.requestDeserialize(of2022), { ResourcePath: 'offline_fs_kbc', KbcName: 'null', KbsUri: '{}' })
  t.same(OF_2022.requestDeserialize(of2023), {
    KbcName: '/a/b/c',
    KbsUri: 'offline_fs_kbc',
    ResourceDescription: 'null',
  })
  t.same(BETWEEN.requestDeserialize(of2022), { ResourceUri: 'offline_fs_kbc', KbcName: 'null' })
  t.same(BETWEEN.requestDeserialize(of2023), { ResourceUri: '/a/b/c', KbcName: 'offline_fs_kbc' })
  t.same(CDH.requestDeserialize(of2023), { ResourcePath: '/a/b/c' })
})
