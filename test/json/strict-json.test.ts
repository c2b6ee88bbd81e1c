import * as fc from 'fast-check'
import t from 'tap'
import { foldKey } from '../../src/json/fold-key.ts'
import { JsonError, parseJson, type JsonErrorCode, type JsonLimits, type JsonNode } from '../../src/json/strict-json.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)

/** The value that a node stands for; an object's keys in a Map, so that no key is special. */
function valueOf(node: JsonNode): unknown {
  switch (node.kind) {
    case 'object':
      return new Map([...node.members].map(([key, member]) => [key, valueOf(member.value)]))
    case 'array':
      return node.items.map(valueOf)
    case 'string':
    case 'boolean':
      return node.value
    case 'number':
      return Number(node.text)
    case 'null':
      return null
  }
}
/** What JSON.parse made, in the same form. */
function mapped(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(mapped)
  if (typeof value !== 'object' || value === null) return value
  return new Map(Object.entries(value).map(([key, member]) => [key, mapped(member)]))
}
const parsed = (text: string): unknown => valueOf(parseJson(bytes(text)).root)

function errorOf(input: Uint8Array, limits?: JsonLimits): JsonError | undefined {
  try {
    parseJson(input, limits)
    return undefined
  } catch (error) {
    if (error instanceof JsonError) return error
    throw error
  }
}

t.test('what RFC 8259 allows is read as JSON.parse reads it', async t => {
  const table = [
    'null',
    ' true ',
    'false',
    '0',
    '-0',
    '1.5e+10',
    '-1E-2',
    '""',
    '"a\\"\\\\\\/\\b\\f\\n\\r\\tz"',
    '"\\u00e9\\ud83d\\ude00"',
    '"é😀"',
    '[]',
    '[ ]',
    '{}',
    '{ }',
    '[1,[2,[3]],{"a":[]}]',
    '\r\n\t {"a" : 1 , "b" : [ ] }\n',
    '{"":0}',
    '{"__proto__":{"x":1},"constructor":2,"hasOwnProperty":3}',
    '"\u007f\u2028"',
  ]
  for (const text of table) t.same(parsed(text), mapped(JSON.parse(text)), encodeURI(text))
})

t.test('what it does not allow has one error, and a place (cases 38 to 40, 112, 113, 199)', async t => {
  const table: readonly {
    it: string
    text: string | Uint8Array
    code: JsonErrorCode
    at?: readonly [number, number]
  }[] = [
    { it: 'nothing', text: '', code: 'SYNTAX', at: [1, 1] },
    { it: 'blanks', text: ' \n ', code: 'SYNTAX', at: [2, 2] },
    { it: 'two documents', text: '{} {}', code: 'SYNTAX', at: [1, 4] },
    { it: 'text behind', text: '{}x', code: 'SYNTAX', at: [1, 3] },
    { it: 'a NUL behind', text: '{}\0', code: 'SYNTAX', at: [1, 3] },
    { it: 'a byte order mark', text: '\uFEFF{}', code: 'SYNTAX', at: [1, 1] },
    { it: 'UTF-16', text: Buffer.from('{}', 'utf16le'), code: 'SYNTAX' },
    { it: 'a comment', text: '{} // x', code: 'SYNTAX' },
    { it: 'a trailing comma in an object', text: '{"a":1,}', code: 'SYNTAX', at: [1, 8] },
    { it: 'a trailing comma in an array', text: '[1,]', code: 'SYNTAX', at: [1, 4] },
    { it: 'a missing comma', text: '[1 2]', code: 'SYNTAX', at: [1, 4] },
    { it: 'a missing colon', text: '{"a" 1}', code: 'SYNTAX' },
    { it: 'a key without quotes', text: '{a:1}', code: 'SYNTAX', at: [1, 2] },
    { it: 'a key in single quotes', text: "{'a':1}", code: 'SYNTAX' },
    { it: 'an unclosed object', text: '{"a":1', code: 'SYNTAX' },
    { it: 'an unclosed array', text: '[', code: 'SYNTAX' },
    { it: 'the wrong bracket', text: '[1}', code: 'SYNTAX' },
    { it: 'an unclosed string', text: '\n "abc', code: 'SYNTAX', at: [2, 2] },
    { it: 'an unclosed string after an escape', text: '"a\\n', code: 'SYNTAX' },
    { it: 'a line end in a string', text: '"a\nb"', code: 'SYNTAX', at: [1, 3] },
    { it: 'a control character after an escape', text: '"\\n\u0001"', code: 'SYNTAX' },
    { it: 'an unknown escape', text: '"\\x41"', code: 'SYNTAX' },
    { it: 'a short \\u', text: '"\\u12"', code: 'SYNTAX' },
    { it: 'a \\u with a sign', text: '"\\u+123"', code: 'SYNTAX' },
    { it: 'a lone high surrogate', text: '"\\ud83d"', code: 'SYNTAX' },
    { it: 'a lone low surrogate', text: '"\\ude00x"', code: 'SYNTAX' },
    { it: 'a leading zero', text: '01', code: 'SYNTAX' },
    { it: 'a plus sign', text: '+1', code: 'SYNTAX' },
    { it: 'a bare dot', text: '.5', code: 'SYNTAX' },
    { it: 'nothing behind the dot', text: '1.', code: 'SYNTAX' },
    { it: 'hex', text: '0x10', code: 'SYNTAX' },
    { it: 'NaN', text: 'NaN', code: 'SYNTAX' },
    { it: 'Infinity', text: '-Infinity', code: 'SYNTAX' },
    { it: 'an upper-case word', text: 'True', code: 'SYNTAX' },
    { it: 'half a word', text: 'nul', code: 'SYNTAX' },
    { it: 'a word and more', text: 'nullx', code: 'SYNTAX' },
    { it: 'a no-break space', text: '\u00a0{}', code: 'SYNTAX' },
    { it: 'a repeated key', text: '{"a":1,\n "a":1}', code: 'DUPLICATE_KEY', at: [2, 2] },
    { it: 'a key repeated in escapes', text: '{"a":1,"\\u0061":2}', code: 'DUPLICATE_KEY' },
    { it: 'a repeated key further in', text: '[{"x":{"a":1,"a":2}}]', code: 'DUPLICATE_KEY' },
    { it: 'a repeated __proto__', text: '{"__proto__":1,"__proto__":2}', code: 'DUPLICATE_KEY' },
    { it: 'a byte that is no UTF-8', text: new Uint8Array([0x22, 0xff, 0x22]), code: 'NOT_UTF8' },
    { it: 'an overlong quote', text: new Uint8Array([0x22, 0xc0, 0xa2, 0x22]), code: 'NOT_UTF8' },
    { it: 'a surrogate in UTF-8', text: new Uint8Array([0x22, 0xed, 0xa0, 0x80, 0x22]), code: 'NOT_UTF8' },
    { it: 'half a character at the end', text: new Uint8Array([0x22, 0xc3]), code: 'NOT_UTF8' },
  ]
  for (const { it, text, code, at } of table) {
    const error = errorOf(typeof text === 'string' ? bytes(text) : text)
    t.equal(error?.code, code, it)
    if (at !== undefined) t.same(error?.position, { line: at[0], column: at[1] }, `${it}: where`)
  }
})

t.test('keys that differ in case, or look alike, are different keys here', async t => {
  t.same(
    parsed('{"a":1,"A":2,"а":3}'),
    new Map([
      ['a', 1],
      ['A', 2],
      ['а', 3],
    ]),
  )
  for (const key of ['layers', 'Layers', 'LAYERS', 'layerſ']) t.equal(foldKey(key), 'layers', key)
  t.equal(foldKey('\u212Aey'), 'key', 'the Kelvin sign')
  t.not(foldKey('lаyers'), 'layers', 'a Cyrillic letter')
})

t.test('the limits hold at L and L + 1', async t => {
  const nested = (depth: number): Uint8Array => bytes('['.repeat(depth) + ']'.repeat(depth))
  const limits = { maxBytes: 100_000_000, maxDepth: 32 }
  t.equal(errorOf(nested(32), limits), undefined)
  t.equal(errorOf(nested(33), limits)?.code, 'TOO_DEEP')
  t.equal(errorOf(bytes('{"a":'.repeat(33) + '1' + '}'.repeat(33)), limits)?.code, 'TOO_DEEP')
  t.equal(errorOf(bytes('['.repeat(10_000_000)), limits)?.code, 'TOO_DEEP', 'ten million brackets')
  const text = (length: number): Uint8Array => bytes(`"${'a'.repeat(length - 2)}"`)
  t.equal(errorOf(text(64), { maxBytes: 64, maxDepth: 1 }), undefined)
  t.equal(errorOf(text(65), { maxBytes: 64, maxDepth: 1 })?.code, 'TOO_LARGE')
  t.equal(errorOf(bytes('"é"'), { maxBytes: 3, maxDepth: 1 })?.code, 'TOO_LARGE', 'bytes are counted, not characters')
})

t.test('a property: any JSON is read as JSON.parse reads it', async () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 6 }), text => {
      t.strictSame(parsed(text), mapped(JSON.parse(text)))
    }),
    { numRuns: 200 },
  )
})

t.test('a property: any bytes are refused with its own error, or are JSON to JSON.parse as well', async () => {
  const json = fc.json({ maxDepth: 3 }).map(text => Uint8Array.from(Buffer.from(text)))
  const broken = fc.tuple(json, fc.nat(), fc.nat(255)).map(([input, at, byte]) => {
    const copy = Uint8Array.from(input)
    copy[at % copy.length] = byte
    return copy
  })
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 40 }), broken), input => {
      if (errorOf(input) === undefined) JSON.parse(Buffer.from(input).toString('utf8'))
    }),
    { numRuns: 500 },
  )
})
