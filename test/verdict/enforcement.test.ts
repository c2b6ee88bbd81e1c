import t from 'tap'
import { parseImageReference } from '../../src/reference/image-reference.ts'
import { isScope } from '../../src/reference/scope.ts'
import { parseDigest } from '../../src/reference/digest.ts'
import type { Evaluation } from '../../src/verdict/decision.ts'
import { decisionCode } from '../../src/verdict/decision-code.ts'
import {
  enforce,
  ENFORCE_EVERYTHING,
  lapsedExceptions,
  type EnforcementRules,
  type Judged,
  type Mode,
} from '../../src/verdict/enforcement.ts'

const DIGEST = `sha256:${'a'.repeat(64)}`
const digest = parseDigest(DIGEST)
if (digest === undefined) throw new Error('no digest')

const evaluation: Evaluation = {
  reference: 'example.org/team/app:1',
  digest,
  scope: 'example.org',
  snapshotId: 's',
  requirements: [],
  leftOut: [],
  children: [],
}
const accepted: Judged = { outcome: 'accepted', via: { by: 'policy' }, signers: [], goodUntil: undefined, evaluation }
const refused: Judged = { outcome: 'refused', reason: 'needs a signature', evaluation }
const undecided: Judged = { outcome: 'undecided', reason: 'registry down', evaluation, retryAfterSeconds: undefined }

const UNTIL = new Date('2030-01-31T00:00:00Z')
const BEFORE = new Date(UNTIL.getTime() - 1)

const auditTeam: EnforcementRules = {
  ...ENFORCE_EVERYTHING,
  modes: new Map<string, Mode>([['example.org/team', 'audit']]),
}
const auditBut: EnforcementRules = {
  mode: 'audit',
  modes: new Map<string, Mode>([
    ['example.org', 'audit'],
    ['example.org/team', 'enforce'],
  ]),
  exceptions: [],
}
function except(scope: string): EnforcementRules {
  return { ...ENFORCE_EVERYTHING, exceptions: [{ scope, until: UNTIL, reason: 'old', by: 'alice' }] }
}

const table: readonly {
  readonly name: string
  readonly judged: Judged
  readonly image?: string
  readonly rules: EnforcementRules
  readonly now?: Date
  readonly is: string
}[] = [
  { name: 'accepted', judged: accepted, rules: ENFORCE_EVERYTHING, is: 'serve accepted' },
  { name: 'refused', judged: refused, rules: ENFORCE_EVERYTHING, is: 'refuse' },
  { name: 'undecided', judged: undecided, rules: ENFORCE_EVERYTHING, is: 'come-again' },
  { name: 'refused in an audited scope', judged: refused, rules: auditTeam, is: 'serve audit-mode' },
  { name: 'undecided in an audited scope', judged: undecided, rules: auditTeam, is: 'serve audit-mode' },
  { name: 'whole components only', judged: refused, image: 'example.org/teams/app:1', rules: auditTeam, is: 'refuse' },
  { name: 'another host', judged: refused, image: 'evil.example.org/team/app:1', rules: auditTeam, is: 'refuse' },
  { name: 'the most specific scope counts', judged: refused, rules: auditBut, is: 'refuse' },
  { name: 'beside it', judged: refused, image: 'example.org/b:1', rules: auditBut, is: 'serve audit-mode' },
  { name: 'exception: host', judged: refused, rules: except('example.org'), is: 'serve exception' },
  { name: 'exception: prefix', judged: refused, rules: except('example.org/team'), is: 'serve exception' },
  { name: 'exception: tag', judged: refused, rules: except('example.org/team/app:1'), is: 'serve exception' },
  { name: 'exception: other tag', judged: refused, rules: except('example.org/team/app:10'), is: 'refuse' },
  { name: 'exception: half a component', judged: refused, rules: except('example.org/te'), is: 'refuse' },
  {
    name: 'exception: digest',
    judged: refused,
    image: `example.org/team/app@${DIGEST}`,
    rules: except(`example.org/team/app@${DIGEST}`),
    is: 'serve exception',
  },
  { name: 'lapsed to the millisecond', judged: refused, rules: except('example.org'), now: UNTIL, is: 'refuse' },
  { name: 'by a clock that is wrong', judged: refused, rules: except('example.org'), now: new Date(0), is: 'refuse' },
  { name: 'an exception is no verdict', judged: undecided, rules: except('example.org'), is: 'come-again' },
  { name: 'accepted needs no exception', judged: accepted, rules: except('example.org'), is: 'serve accepted' },
]

t.test('what becomes of a verdict (case 202: by what clock)', async t => {
  for (const { name, judged, image = 'example.org/team/app:1', rules, now = BEFORE, is } of table) {
    const reference = parseImageReference(image)
    if (reference === undefined) throw new Error(image)
    const enforced = enforce(judged, reference, rules, { now, followed: undefined })
    t.equal(enforced.action === 'serve' ? `serve ${enforced.because}` : enforced.action, is, name)
  }
})

t.test('an exception that was followed from a tag ends at its date as well', async t => {
  const reference = parseImageReference(`example.org/team/app@${DIGEST}`)
  if (reference === undefined) throw new Error('no reference')
  const [followed] = except('example.org/team/app:1').exceptions
  t.equal(enforce(refused, reference, ENFORCE_EVERYTHING, { now: BEFORE, followed }).action, 'serve')
  t.equal(enforce(refused, reference, ENFORCE_EVERYTHING, { now: UNTIL, followed }).action, 'refuse')
  t.same(lapsedExceptions(followed === undefined ? [] : [followed], UNTIL), [followed])
  t.same(lapsedExceptions(followed === undefined ? [] : [followed], BEFORE), [])
})

t.test('scopes that can be about something', async t => {
  for (const scope of ['example.org', 'localhost:5000', 'a.b/c', 'a.b/c/d:1', `a.b/c@${DIGEST}`, '*.example.org'])
    t.ok(isScope(scope), scope)
  for (const scope of [
    '',
    'Example.org',
    'a.b/',
    'a.b/c/',
    'a.b/C',
    'a.b/c@sha256:1',
    'a.b/c:',
    '/c',
    'index.docker.io/a',
  ])
    t.notOk(isScope(scope), scope)
})

t.test('reasons as codes', async t => {
  const unmet = { outcome: 'unmet', reason: 'free text', failures: [] } as const
  const by = (requirement: string, signatures: Evaluation['requirements'][number]['signatures']): Judged => ({
    outcome: 'refused',
    reason: 'free text',
    evaluation: { ...evaluation, requirements: [{ ...unmet, requirement, signatures }] },
  })
  t.equal(decisionCode(accepted), 'policy')
  t.equal(decisionCode(undecided), 'undecided')
  t.equal(decisionCode(refused), 'child')
  t.equal(decisionCode(by('a signature', [])), 'no-signature')
  t.equal(
    decisionCode(by('a signature', [{ counts: false, found: 'x', code: 'UNTRUSTED_SIGNER', reason: 'no' }])),
    'UNTRUSTED_SIGNER',
  )
})
