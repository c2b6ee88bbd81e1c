import t from 'tap'
import { decodeJson, formatProblem, type JsonCursor } from '../../src/json/decode.ts'

const problemsOf = (text: string, decode: (root: JsonCursor) => unknown): readonly string[] => {
  const decoded = decodeJson(Buffer.from(text), root => decode(root) ?? undefined)
  return decoded.ok ? [] : decoded.problems.map(formatProblem)
}

t.test('each reader takes its own kind and says what it found otherwise', async t => {
  const readers: Readonly<Record<string, (cursor: JsonCursor) => unknown>> = {
    string: cursor => cursor.string(),
    nonEmptyString: cursor => cursor.nonEmptyString(),
    boolean: cursor => cursor.boolean(),
    integer: cursor => cursor.integer(0),
    items: cursor => cursor.items(),
    entries: cursor => cursor.entries(),
  }
  const values = { string: '"a"', boolean: 'true', integer: '7', items: '[1]', entries: '{"a":1}', null: 'null' }
  const takes: Readonly<Record<string, string>> = { nonEmptyString: 'string' }
  for (const [name, read] of Object.entries(readers)) {
    for (const [kind, text] of Object.entries(values)) {
      const problems = problemsOf(text, read)
      t.equal(problems.length, kind === (takes[name] ?? name) ? 0 : 1, `${name}() of ${text}: ${problems.join()}`)
    }
  }
  t.match(
    problemsOf('""', cursor => cursor.nonEmptyString()),
    ['must not be empty (line 1, column 1)'],
  )
  t.ok(
    (problemsOf(`"${'a'.repeat(500)}"`, cursor => cursor.boolean())[0]?.length ?? Infinity) < 120,
    'what was found is clipped',
  )
})

t.test('whole numbers that a double holds (case 114)', async t => {
  const table: readonly { text: string; value: number | undefined }[] = [
    { text: '0', value: 0 },
    { text: '9007199254740991', value: 9007199254740991 },
    { text: '9007199254740992', value: undefined },
    { text: '9007199254740993', value: undefined },
    { text: '1e400', value: undefined },
    { text: '1e3', value: undefined },
    { text: '1.0', value: undefined },
    { text: '-0', value: undefined },
    { text: '-1', value: undefined },
    { text: '"1"', value: undefined },
  ]
  for (const { text, value } of table) {
    const decoded = decodeJson(Buffer.from(text), cursor => cursor.integer(0))
    t.equal(decoded.ok ? decoded.value : undefined, value, text)
  }
  t.same(
    problemsOf('11', cursor => cursor.integer(1, 10)),
    ['expected a whole number from 1 to 10, found 11 (line 1, column 1)'],
  )
  t.same(
    problemsOf('10', cursor => cursor.integer(1, 10)),
    [],
  )
})

t.test('an exact object: unknown and missing keys are problems, all at once', async t => {
  const read = (cursor: JsonCursor): unknown => cursor.object({ required: ['a', 'b'], optional: ['c'] })
  t.same(problemsOf('{"a":1,"b":2}', read), [])
  t.same(problemsOf('{"a":1,"b":2,"c":3}', read), [])
  t.same(problemsOf('{"A":1,\n"d":2}', read), [
    'unknown key "A" (line 1, column 2)',
    'unknown key "d" (line 2, column 1)',
    'missing key "a" (line 1, column 1)',
    'missing key "b" (line 1, column 1)',
  ])
  const prototypes = '{"a":1,"b":2,"__proto__":{},"constructor":1,"toString":1}'
  t.equal(problemsOf(prototypes, read).length, 3, 'names of a prototype are unknown keys')
  t.match(
    problemsOf('{}', cursor => cursor.object({ required: ['toString', '__proto__'] })),
    [/missing key "toString"/, /missing key "__proto__"/],
  )
  t.equal(
    problemsOf('{"__proto__":1}', cursor => cursor.object({ required: ['__proto__'] })).length,
    0,
    'and keys like any other where they are expected',
  )
})

t.test('paths read like the document', async t => {
  const at = (text: string, walk: (root: JsonCursor) => JsonCursor | undefined): string | undefined =>
    problemsOf(text, root => walk(root)?.fail('x'))[0]
  const table = [
    { path: '', text: '1', walk: (root: JsonCursor) => root },
    { path: 'a.b', text: '{"a":{"b":1}}', walk: (root: JsonCursor) => root.member('a')?.member('b') },
    { path: 'a[1]', text: '{"a":[1,2]}', walk: (root: JsonCursor) => root.member('a')?.items()?.[1] },
    { path: '["quay.io/a"]', text: '{"quay.io/a":1}', walk: (root: JsonCursor) => root.member('quay.io/a') },
    { path: '[""]', text: '{"":1}', walk: (root: JsonCursor) => root.member('') },
    { path: '["a\\nb"]', text: '{"a\\nb":1}', walk: (root: JsonCursor) => root.member('a\nb') },
  ]
  for (const { path, text, walk } of table) t.ok(at(text, walk)?.startsWith(path === '' ? 'x (' : `${path}: x (`), text)
  t.ok((at(`{"${'k'.repeat(100_000)}":1}`, root => root.entries()?.[0]?.[1])?.length ?? Infinity) < 1000, 'clipped')
  t.equal(decodeJson(Buffer.from('{}'), root => root.member('toString') ?? 'absent').ok, true)
})

t.test('columns are counted in UTF-16 units, lines by line feeds', async t => {
  const items = (root: JsonCursor): undefined => root.items()?.[1]?.fail('x')
  t.same(problemsOf('["😀", 1]', items), ['[1]: x (line 1, column 8)'])
  t.same(problemsOf('[0,\r\n\r\n  1]', items), ['[1]: x (line 3, column 3)'])
})

t.test('a document of nothing but problems costs no more than reading it', async t => {
  const keys = Array.from({ length: 200_000 }, (_, index) => `"k${index}":1`).join(',\n')
  const begun = process.cpuUsage()
  const problems = problemsOf(`{${keys}}`, root => root.object({ required: ['a'] }))
  t.ok(process.cpuUsage(begun).user < 2_000_000)
  t.equal(problems.length, 101)
  t.equal(problems[99], 'unknown key "k99" (line 100, column 1)')
  t.match(problems[100], /^and 199901 more problems/)
})

t.test('a decoder that gives up without a word is a defect, not a refusal', async t => {
  t.throws(() => decodeJson(Buffer.from('1'), () => undefined), /without naming a problem/)
})

t.test('a value beside a problem does not count', async t => {
  const decoded = decodeJson(Buffer.from('1'), root => {
    root.fail('x')
    return 'value'
  })
  t.equal(decoded.ok, false)
})
