import * as fc from 'fast-check'
import t from 'tap'
import { TopLevelKeys } from '../../src/json/top-level-keys.ts'

const keysOf = (text: string, chunk = 1 << 20): readonly string[] => {
  const keys = new TopLevelKeys()
  const bytes = Buffer.from(text)
  const found: string[] = []
  for (let at = 0; at < bytes.length; at += chunk) found.push(...keys.push(bytes.subarray(at, at + chunk)))
  return found
}

t.test('the keys of the outermost object, and no others', async t => {
  const table: readonly { text: string; keys: readonly string[] }[] = [
    { text: '{}', keys: [] },
    { text: '{"a":1,"b":{"c":{"d":1}},"e":[{"f":1}]}', keys: ['a', 'b', 'e'] },
    { text: '{"a":"b","c":"d:\\"e\\":"}', keys: ['a', 'c'] },
    { text: ' \n{ "a" \n: 1 }', keys: ['a'] },
    { text: '{"\\u006cayers":[]}', keys: ['layers'] },
    { text: '{"a\\\\":1,"b\\"":2}', keys: ['a\\', 'b"'] },
    { text: '{"é😀":1}', keys: ['é😀'] },
    { text: '{"a":"}{","layers":1}', keys: ['a', 'layers'] },
    { text: '{"a":1,"a":2}', keys: ['a', 'a'] },
    { text: '[{"layers":[]}]', keys: [] },
    { text: '{"layers"', keys: [] },
    { text: '\uFEFF{"layers":[]}', keys: ['layers'] },
    { text: '{"a":1}{"layers":[]}', keys: ['a', 'layers'] },
    { text: '', keys: [] },
  ]
  for (const { text, keys } of table) {
    t.same(keysOf(text), keys, text)
    t.same(keysOf(text, 1), keys, `${text}, byte by byte`)
  }
})

t.test('a key of megabytes is not held', async t => {
  t.ok((keysOf(`{"${'k'.repeat(5_000_000)}":1}`)[0]?.length ?? 0) <= 1024)
})

t.test('a property: of any JSON object, the keys of JSON.parse, however it is cut', async t => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string({ unit: 'grapheme', maxLength: 20 }), fc.jsonValue()),
      fc.integer({ min: 1, max: 9 }),
      (value, chunk) => {
        t.strictSame(keysOf(JSON.stringify(value), chunk), Object.keys(value))
      },
    ),
    { numRuns: 100 },
  )
})
