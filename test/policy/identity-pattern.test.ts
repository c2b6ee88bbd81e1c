import { array, assert, constantFrom, property } from 'fast-check'
import t from 'tap'
import { matchesText, nameTypeOf, patternProblem } from '../../src/policy/identity-pattern.ts'

const matches = (pattern: string, text: string): boolean => matchesText({ kind: 'pattern', pattern }, text)

t.test('a pattern is held against the whole text', async t => {
  const table: readonly (readonly [string, string, boolean])[] = [
    [
      'https://github.com/o/*/.github/workflows/x.yml@refs/heads/main',
      'https://github.com/o/r/.github/workflows/x.yml@refs/heads/main',
      true,
    ],
    [
      'https://github.com/o/*/.github/workflows/x.yml@refs/heads/main',
      'https://github.com/o/r/s/.github/workflows/x.yml@refs/heads/main',
      false,
    ],
    ['https://github.com/o/**@refs/heads/main', 'https://github.com/o/r/.github/workflows/x.yml@refs/heads/main', true],
    ['https://github.com/o/*', 'https://github.com/o/', true],
    ['https://github.com/o/*', 'https://github.com/o/r', true],
    ['https://github.com/o/*', 'https://github.com/o/r/s', false],
    ['https://github.com/o/**', 'https://github.com/o/r/s', true],
    ['https://github.com/o/**', 'https://github.com/other/r', false],
    ['https://github.com/o/**', 'xhttps://github.com/o/r', false],
    ['https://github.com/o/r@refs/tags/v*', 'https://github.com/o/r@refs/tags/v1.2', true],
    ['https://github.com/o/r@refs/tags/v*', 'https://github.com/o/r@refs/tags/v', true],
    ['https://github.com/o/r@refs/tags/v*', 'https://github.com/o/r@refs/tags/w1', false],
    ['*@example.org', 'alice@example.org', true],
    ['*@example.org', 'alice@example.org.evil', false],
    ['ci-*@example.org', 'ci-1@example.org', true],
  ]
  for (const [pattern, text, is] of table) t.equal(matches(pattern, text), is, `${pattern} ${text}`)
})

t.test('case 20: what people try', async t => {
  const main = 'https://github.com/o/**@refs/heads/main'
  t.notOk(matches(main, 'https://github.com/o/r/x.yml@refs/heads/evil@refs/heads/main'), 'a branch named like the end')
  t.notOk(matches(main, 'https://github.com/o/r/x.yml?@refs/heads/main'), 'a query')
  t.notOk(matches(main, 'https://github.com/o/r/x.yml#@refs/heads/main'), 'a fragment')
  t.notOk(matches(main, `https://evil.example/?https://github.com/o/r@refs/heads/main`), 'in another URL')
  t.notOk(matches('https://github.com/o.o/*', 'https://github.com/oXo/r'), 'a dot is a dot')
  t.notOk(matches('https://github.com/O/*', 'https://github.com/o/r'), 'case matters')
  t.notOk(matchesText({ kind: 'exact', text: 'https://github.com/o/*' }, 'https://github.com/o/r'), 'an exact text')
})

t.test('patterns that let too many in are none', async t => {
  const bad = [
    '*',
    '**',
    'https://*',
    'https://*/o/r',
    'https://*.example.org/x',
    'https://github.com*/o',
    'http*://github.com/o/*',
    '*://github.com/o/*',
    '*@*',
    '*@*.example.org',
    'https://github.com/***',
    'https://github.com/o',
    'https://github.com/ *',
    'https://github.com/é*',
    'github.com/o/*',
    `https://github.com/${'a'.repeat(512)}*`,
  ]
  for (const pattern of bad) t.type(patternProblem(pattern), 'string', pattern.slice(0, 40))
  for (const pattern of [
    'https://github.com/*',
    'https://github.com/o/**',
    '*@example.org',
    'spiffe://example.org/ns/*',
  ]) {
    t.equal(patternProblem(pattern), undefined, pattern)
  }
})

t.test('the kind of a name is in its text', async t => {
  t.equal(nameTypeOf('https://github.com/o/r@refs/heads/main'), 'uri')
  t.equal(nameTypeOf('spiffe://example.org/x'), 'uri')
  t.equal(nameTypeOf('alice@example.org'), 'email')
  for (const text of ['alice', 'a@b@c', 'mailto:alice@example.org/x', '@example.org'])
    t.equal(nameTypeOf(text), undefined, text)
})

t.test('case 227: no pattern takes long, whatever it would be as a regular expression', async t => {
  const started = performance.now()
  t.notOk(matches(`https://x/${'a*'.repeat(240)}b`, `https://x/${'a'.repeat(4000)}`))
  t.notOk(matches('https://x/**', `https://x/${'a'.repeat(5000)}`), 'a text beyond the limit matches nothing')
  const text = `https://x/${'a'.repeat(4000)}!`
  for (const hostile of ['https://x/(a+)+$*', 'https://x/(a|a)*$', 'https://x/.*']) {
    t.notOk(matches(hostile, text), `${hostile} is itself`)
    t.notOk(matchesText({ kind: 'exact', text: hostile }, text))
  }
  t.ok(matches('https://x/(a+)+$*', 'https://x/(a+)+$b'))
  t.ok(performance.now() - started < 2000)
})

t.test('it is what the regular expression would be that nobody should write', async () => {
  const piece = constantFrom('a', 'b', '/', '@', '*', '**', '.')
  const character = constantFrom('a', 'b', '/', '@', '.', '?')
  assert(
    property(array(piece, { maxLength: 8 }), array(character, { maxLength: 12 }), (pieces, characters) => {
      const tail = pieces.join('').replaceAll(/\*{3,}/g, '**')
      const source = tail.replaceAll(/\*\*|[^]/g, one =>
        one === '**' ? '[^@?#]*' : one === '*' ? '[^/@?#]*' : one.replaceAll(/[.?]/g, '\\$&'),
      )
      const text = characters.join('')
      return matches(`https://x/${tail}`, `https://x/${text}`) === new RegExp(`^(?:${source})$`).test(text)
    }),
  )
})
