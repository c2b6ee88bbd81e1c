import t from 'tap'
import { digestOf } from '../../src/reference/digest.ts'
import { parseImageReference } from '../../src/reference/image-reference.ts'
import type { FoundSignatures } from '../../src/signatures/found-signatures.ts'
import { findInSignatureExtension, parseSignatureList } from '../../src/signatures/signature-extension.ts'

const LIMITS = { maxSignatures: 2, maxSignatureBytes: 8 }
const atomic = (content: unknown) => ({ schemaVersion: 2, name: 'sha256:ab@x', type: 'atomic', content })
const base64 = (text: string): string => Buffer.from(text).toString('base64')
const listOf = (content: unknown): Uint8Array => Buffer.from(JSON.stringify(content))

function shown(found: FoundSignatures): readonly string[] {
  return found.signatures.map(signature => {
    if (signature.format === 'gpg') return Buffer.from(signature.untrustedBytes).toString()
    return signature.format === 'unusable' ? `unusable: ${signature.problem}` : signature.format
  })
}

t.test('what a list holds', async t => {
  const table: readonly { it: string; list: unknown; found: readonly (string | RegExp)[]; leftOut?: number }[] = [
    { it: 'two signatures', list: { signatures: [atomic(base64('a')), atomic(base64('b'))] }, found: ['a', 'b'] },
    { it: 'none', list: { signatures: [] }, found: [] },
    { it: 'null', list: { signatures: null }, found: [] },
    { it: 'other fields', list: { signatures: [{ ...atomic(base64('a')), more: 1 }], more: 2 }, found: ['a'] },
    {
      it: 'another version',
      list: { signatures: [{ ...atomic(base64('a')), schemaVersion: 1 }, atomic(base64('b'))] },
      found: ['b'],
    },
    { it: 'another type', list: { signatures: [{ ...atomic(base64('a')), type: 'x' }] }, found: [] },
    { it: 'no type', list: { signatures: [{ schemaVersion: 2, content: base64('a') }] }, found: [] },
    { it: 'a string in the list', list: { signatures: ['x', atomic(base64('b'))] }, found: ['b'] },
    { it: 'not base64', list: { signatures: [atomic('%'), atomic(base64('b'))] }, found: [/not base64/, 'b'] },
    { it: 'at the limit', list: { signatures: [atomic(base64('12345678'))] }, found: ['12345678'] },
    { it: 'beyond the limit', list: { signatures: [atomic(base64('123456789'))] }, found: [/9 bytes, more than 8/] },
    {
      it: 'too many',
      list: { signatures: [atomic(''), atomic(base64('b')), atomic(base64('c'))] },
      found: ['', 'b'],
      leftOut: 1,
    },
    { it: 'no list', list: {}, found: [/has no signatures/] },
    { it: 'an array', list: [], found: [/has no signatures/] },
    { it: 'no array', list: { signatures: {} }, found: [/expected an array/] },
  ]
  for (const row of table) {
    const found = parseSignatureList(listOf(row.list), LIMITS)
    t.match(shown(found), row.found, row.it)
    t.equal(found.signatures.length, row.found.length, row.it)
    t.equal(found.leftOut.length, row.leftOut ?? 0, row.it)
  }
  t.match(shown(parseSignatureList(Buffer.from('{"signatures":[],"signatures":[]}'), LIMITS)), [/repeated/])
})

t.test('what was asked, and what could not be found out', async t => {
  const reference = parseImageReference('example.org/team/app:1')
  if (reference === undefined) throw new Error('no reference')
  const { repository } = reference
  const digest = digestOf(Buffer.from('x'))
  const asked: string[] = []
  const ask = (fetchJson: (path: string) => Promise<Uint8Array | undefined>) =>
    findInSignatureExtension({ fetchJson, repository, digest, limits: LIMITS })
  const some = await ask(async path => {
    asked.push(path)
    return listOf({ signatures: [atomic(base64('a'))] })
  })
  t.strictSame(asked, [`/extensions/v2/team/app/signatures/${digest}`])
  t.strictSame(shown(some), ['a'])
  t.strictSame(await ask(async () => undefined), { signatures: [], failures: [], leftOut: [] })
  const failed = await ask(() => Promise.reject(new Error('503')))
  t.match(failed, { signatures: { length: 0 }, failures: [{ place: /extensions/, cause: { message: '503' } }] })
})
