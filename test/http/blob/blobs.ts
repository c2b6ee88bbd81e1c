import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'

export const MIB: number = 1024 * 1024

/** A stream of copies: a reader may take the memory of each chunk. */
export function chunks(bytes: Buffer, size: number): Readable {
  const parts: Buffer[] = []
  for (let at = 0; at < bytes.length; at += size) {
    const part = Buffer.alloc(Math.min(size, bytes.length - at))
    bytes.copy(part, 0, at)
    parts.push(part)
  }
  return Readable.from(parts)
}

export const manifests: readonly { readonly it: string; readonly text: string }[] = [
  { it: 'an image manifest', text: '{"schemaVersion":2,"config":{},"layers":[]}' },
  { it: 'an index', text: '{"schemaVersion":2,"manifests":[]}' },
  { it: 'a schema 1 manifest', text: '{"schemaVersion":1,"fsLayers":[]}' },
  { it: 'space before it', text: ' \r\n\t{"manifests":[]}' },
  { it: 'another case, as Go reads it', text: '{"Manifests":[]}' },
  { it: 'the long s, as Go reads it', text: '{"manifeſts":[]}' },
  { it: 'an escaped key', text: '{"\\u006cayers":[]}' },
  { it: 'the key after much else', text: `{"a":${JSON.stringify('x'.repeat(100_000))},"layers":[]}` },
  { it: 'the key after a nested object', text: '{"a":{"b":[1,{"c":"}"}]},"layers" : []}' },
]

export const others: readonly { readonly it: string; readonly bytes: Buffer }[] = [
  { it: 'nothing', bytes: Buffer.alloc(0) },
  { it: 'a gzipped layer', bytes: gzipSync(Buffer.alloc(100_000)) },
  {
    it: 'an image config',
    bytes: Buffer.from('{"architecture":"amd64","config":{"layers":1},"rootfs":{"diff_ids":[]}}'),
  },
  { it: 'a key deeper down', bytes: Buffer.from('{"a":{"layers":[]},"b":["manifests"],"c":"layers"}') },
  { it: 'an array', bytes: Buffer.from('[{"layers":[]}]') },
  { it: 'a large document', bytes: Buffer.from(JSON.stringify({ payload: 'x'.repeat(5 * MIB) })) },
]
