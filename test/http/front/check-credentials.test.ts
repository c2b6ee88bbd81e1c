import { createHash } from 'node:crypto'
import { hashSync } from 'bcryptjs'
import t from 'tap'
import { checkPasswords, checkTokens } from '../../../src/http/front/check-credentials.ts'
import type { GivenCredentials } from '../../../src/http/front/authorization.ts'

const basic = (user: string, password: string): GivenCredentials => ({ kind: 'basic', user, password })
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

t.test('passwords', async t => {
  let users = new Map([
    ['ann', hashSync('one', 4)],
    // As Apache's htpasswd writes it.
    ['bob', hashSync('two', 4).replace('$2b$', '$2y$')],
  ])
  const check = checkPasswords(() => users)
  const table: readonly { given: GivenCredentials; is: string | undefined }[] = [
    { given: basic('ann', 'one'), is: 'ann' },
    { given: basic('ann', 'one'), is: 'ann' },
    { given: basic('bob', 'two'), is: 'bob' },
    { given: basic('bob', 'one'), is: undefined },
    { given: basic('bob', 'one'), is: undefined },
    { given: basic('Ann', 'one'), is: undefined },
    { given: basic('carl', 'one'), is: undefined },
    { given: basic('ann', ''), is: undefined },
    { given: { kind: 'bearer', token: 'one' }, is: undefined },
    { given: { kind: 'none' }, is: undefined },
    { given: { kind: 'malformed' }, is: undefined },
  ]
  for (const { given, is } of table) {
    const checked = await check(given)
    t.same(checked, is === undefined ? { outcome: 'unknown' } : { outcome: 'known', user: is }, JSON.stringify(given))
  }
  users = new Map([['ann', hashSync('new', 4)]])
  t.same(await check(basic('ann', 'one')), { outcome: 'unknown' }, 'what was remembered is of the old password')
  t.same(await check(basic('ann', 'new')), { outcome: 'known', user: 'ann' })
})

t.test('a second check of the same password costs no bcrypt', async t => {
  const users = new Map([['ann', hashSync('one', 11)]])
  const check = checkPasswords(() => users)
  await check(basic('ann', 'one'))
  const begun = performance.now()
  for (let round = 0; round < 100; round += 1) await check(basic('ann', 'one'))
  t.ok(performance.now() - begun < 100)
})

t.test('guesses beyond a few at once are put off, not queued', async t => {
  const users = new Map([['ann', hashSync('one', 8)]])
  const check = checkPasswords(() => users)
  const outcomes = await Promise.all(Array.from({ length: 20 }, (_none, index) => check(basic('ann', String(index)))))
  t.equal(outcomes.filter(({ outcome }) => outcome === 'busy').length, 16)
})

t.test('tokens', async t => {
  const users = new Map([
    ['ci', sha256('token-1')],
    ['ann', sha256('token-2')],
  ])
  const check = checkTokens(() => users)
  const table: readonly { given: GivenCredentials; is: string | undefined }[] = [
    { given: { kind: 'bearer', token: 'token-1' }, is: 'ci' },
    { given: { kind: 'bearer', token: 'token-2' }, is: 'ann' },
    { given: { kind: 'bearer', token: 'token-3' }, is: undefined },
    { given: { kind: 'bearer', token: sha256('token-1') }, is: undefined },
    { given: basic('ci', 'token-1'), is: 'ci' },
    { given: basic('ann', 'token-1'), is: undefined },
    { given: { kind: 'none' }, is: undefined },
  ]
  for (const { given, is } of table) {
    const checked = await check(given)
    t.same(checked, is === undefined ? { outcome: 'unknown' } : { outcome: 'known', user: is }, JSON.stringify(given))
  }
})
