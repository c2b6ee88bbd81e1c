import { gzipSync, zstdCompressSync } from 'node:zlib'
import t from 'tap'
import { isAttachedDocument } from '../../src/signatures/artifact-content.ts'

/** A tar header of printable bytes alone, as JSON's strings may hold them; `name` fills its 100 bytes. */
function printableHeader(name: string): Buffer {
  const header = Buffer.alloc(512, ' ')
  header.write(name.padEnd(100, '/'), 0, 'latin1')
  for (const [at, field] of [
    [100, '0000755 '],
    [108, '0000000 '],
    [116, '0000000 '],
    [124, '00000000000 '],
    [136, '00000000000 '],
    [148, '        '],
    [156, '0'],
  ] as const) {
    header.write(field, at, 'latin1')
  }
  const sum = header.reduce((all, byte) => all + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}  `, 148, 'latin1')
  return header
}

const statement = Buffer.from(
  JSON.stringify({ critical: { type: 'cosign container image signature' }, optional: null }),
)
const tar = Buffer.concat([printableHeader('bin/sh'), Buffer.alloc(1024)])
const polyglot = Buffer.concat([printableHeader('{"optional":"x'), Buffer.from('"}')])
const late = Buffer.concat([Buffer.from(`{"a":"${'x'.repeat(506)}`), printableHeader('bin/sh'), Buffer.from('"}')])

t.test('case 104: what is attached is a document that no runtime can unpack, whatever it calls itself', async t => {
  t.doesNotThrow(() => JSON.parse(polyglot.toString()), 'a JSON document, and a tar')
  const table: readonly { readonly it: string; readonly bytes: Uint8Array; readonly is: boolean }[] = [
    { it: 'what cosign signs', bytes: statement, is: true },
    { it: 'JSON after white space', bytes: Buffer.from(' \n\t[1]'), is: true },
    { it: 'a bill of materials in XML', bytes: Buffer.from('<?xml version="1.0"?><bom/>'), is: true },
    { it: 'one of SPDX', bytes: Buffer.from('SPDXVersion: SPDX-2.3\n'), is: true },
    { it: 'a long one', bytes: Buffer.from(JSON.stringify(Array(100_000).fill('0000755'))), is: true },
    { it: 'a tar', bytes: tar, is: false },
    { it: 'a tar, compressed', bytes: gzipSync(tar), is: false },
    { it: 'by zstd', bytes: zstdCompressSync(tar), is: false },
    { it: 'a frame that zstd skips, and its S', bytes: Buffer.from('532a4d1804000000', 'hex'), is: false },
    { it: 'JSON that is a tar', bytes: polyglot, is: false },
    { it: 'JSON in which a tar begins', bytes: late, is: false },
    { it: 'a tar by the sum of signed bytes', bytes: signedSum(), is: false },
    { it: 'JSON with a NUL', bytes: Buffer.from('{"a":"\0"}'), is: false },
    { it: 'nothing, which is an empty tar', bytes: Buffer.alloc(0), is: false },
    { it: 'other text', bytes: Buffer.from('#!/bin/sh\n'), is: false },
  ]
  for (const { it, bytes, is } of table) t.equal(isAttachedDocument(bytes), is, it)
})

function signedSum(): Buffer {
  const header = printableHeader('{"ä')
  const spaced = Buffer.from(header)
  spaced.write('        ', 148, 'latin1')
  const sum = spaced.reduce((all, byte) => all + (byte > 0x7f ? byte - 0x100 : byte), 0)
  header.write(`${sum.toString(8).padStart(6, '0')}  `, 148, 'latin1')
  return header
}
