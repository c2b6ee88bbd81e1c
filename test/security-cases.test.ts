import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

const ROOT = join(import.meta.dirname, '..')
const CASES = 240
const ROW = /^\| (\d+) \| .+ \| (.+) \|$/gm
const MENTION = /\b[Cc]ases? ((?:\d{1,3})(?:(?:, | and | to )\d{1,3})*)/g

type Row = { readonly number: number; readonly where: string }

const page = readFileSync(join(ROOT, 'docs/security.md'), 'utf8')
const rows: readonly Row[] = [...page.matchAll(ROW)].map(([, number = '', where = '']) => ({
  number: Number(number),
  where,
}))

/** The numbers that a test names, singly, in lists and in ranges. This file names none, so it can be no case's test. */
function namedIn(text: string): ReadonlySet<number> {
  const named = new Set<number>()
  for (const [, list = ''] of text.matchAll(MENTION)) {
    for (const [, first = '', last] of list.matchAll(/(\d+)(?: to (\d+))?/g)) {
      for (let number = Number(first); number <= Number(last ?? first); number += 1) named.add(number)
    }
  }
  return named
}

t.test('docs/security.md has every case once', async t => {
  t.same(
    rows.map(({ number }) => number),
    Array.from({ length: CASES }, (_, index) => index + 1),
  )
})

t.test('a test that it names is there, and names the case', async t => {
  const files = new Map<string, ReadonlySet<number>>()
  let checked = 0
  for (const { number, where } of rows) {
    for (const [, file = ''] of where.matchAll(/`(test\/[^`]+)`/g)) {
      checked += 1
      const path = join(ROOT, file)
      if (!existsSync(path)) t.fail(`case ${number}: there is no ${file}`)
      else {
        const named = files.get(file) ?? namedIn(readFileSync(path, 'utf8'))
        files.set(file, named)
        t.ok(named.has(number), `${file} names case ${number}`)
      }
    }
  }
  t.ok(checked > 200, `${checked} claims`)
})
