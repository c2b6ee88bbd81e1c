import { array, assert, constant, date, oneof, option, property, record, string, type Arbitrary } from 'fast-check'
import t from 'tap'
import { digestOf } from '../../src/reference/digest.ts'
import { isTag } from '../../src/reference/repository.ts'
import { decodeFact, encodeFact } from '../../src/shared/payload.ts'
import type { SharedFact } from '../../src/verdict/shared-memory.ts'

const index = digestOf(Buffer.from('index'))
const tag = '1.2'
if (!isTag(tag)) throw new Error('no tag')

const signers = array(string({ unit: 'grapheme', maxLength: 40 }), { maxLength: 5 })
const goodUntil = option(date({ min: new Date(0), max: new Date('9999-01-01'), noInvalidDate: true }), {
  nil: undefined,
})
const facts: Arbitrary<SharedFact> = oneof(
  record({ kind: constant('verdict' as const), signers, goodUntil }),
  record({ kind: constant('child' as const), signers, goodUntil, index: constant(index) }),
  record({ kind: constant('tag' as const), signers, goodUntil, tag: constant(tag) }),
)

t.test('what is encoded is what is decoded', async t => {
  assert(property(facts, fact => t.same(decodeFact(encodeFact(fact), fact.kind), fact)))
})

t.test('a fact of one kind is none of another', async t => {
  const kinds = ['verdict', 'child', 'tag'] as const
  assert(
    property(facts, fact =>
      kinds.every(kind => kind === fact.kind || decodeFact(encodeFact(fact), kind) === undefined),
    ),
  )
  t.pass('')
})

t.test('case 174: anything odd is none', async t => {
  const table: readonly string[] = [
    '',
    'null',
    '[]',
    '"verdict"',
    '{}',
    '{"kind":"verdict"}',
    '{"signers":[]}',
    '{"kind":"verdict","signers":[]',
    '{"kind":"other","signers":[]}',
    '{"kind":"child","signers":[]}',
    '{"kind":null,"signers":[]}',
    '{"kind":"verdict","signers":[]} ,',
    '{"kind":"verdict","kind":"verdict","signers":[]}',
    '{"kind":"verdict","signers":[],"outcome":"accepted"}',
    '{"kind":"verdict","signers":[],"__proto__":{"x":1}}',
    '{"kind":"verdict","signers":"cosign.pub"}',
    '{"kind":"verdict","signers":[1]}',
    '{"kind":"verdict","signers":[null]}',
    `{"kind":"verdict","signers":${JSON.stringify(Array.from({ length: 101 }, () => 'a'))}}`,
    '{"kind":"verdict","signers":[],"goodUntil":null}',
    '{"kind":"verdict","signers":[],"goodUntil":"2030-01-01"}',
    '{"kind":"verdict","signers":[],"goodUntil":-1}',
    '{"kind":"verdict","signers":[],"goodUntil":1e3}',
    '{"kind":"verdict","signers":[],"goodUntil":9000000000000000}',
    '{"kind":"verdict","signers":[],"tag":"1"}',
    `{"kind":"verdict","signers":[${'['.repeat(5000)}${']'.repeat(5000)}]}`,
  ]
  for (const text of table) t.equal(decodeFact(Buffer.from(text), 'verdict'), undefined, text.slice(0, 80))
  t.equal(decodeFact(Buffer.from('{"kind":"child","signers":[]}'), 'child'), undefined, 'no index')
  t.equal(
    decodeFact(Buffer.from('{"kind":"child","signers":[],"index":"sha256:ab"}'), 'child'),
    undefined,
    'a short one',
  )
  t.equal(decodeFact(Buffer.from('{"kind":"tag","signers":[]}'), 'tag'), undefined, 'no tag')
  t.equal(decodeFact(Buffer.from('{"kind":"tag","signers":[],"tag":"a/b"}'), 'tag'), undefined, 'no tag either')
  t.equal(decodeFact(Buffer.from([0xff, 0xfe]), 'tag'), undefined, 'no text')
})
