import t from 'tap'
import { otherGeneration, type AgentQuestion } from '../../src/keybroker/agent-generation.ts'

const PREFIX = '[ERROR:attestation-agent] AA-KBC get resource failed: '
const OF_2022: AgentQuestion = { year: '2022', kbcName: 'offline_fs_kbc', kbsUri: 'null' }
const OF_2023: AgentQuestion = { year: '2023', path: '/default/cosign-public-key/test' }
const KBC = 'AA does not support the given KBC module!'

t.test('which agent it must be', async t => {
  const table: readonly (readonly [question: AgentQuestion, text: string, is: RegExp | undefined])[] = [
    [OF_2022, `Resource path offline_fs_kbc must start with '/'`, /of 2023/],
    [OF_2022, `Resource path other must start with '/'`, undefined],
    [OF_2022, `${KBC} Module: null`, /February 2023/],
    [OF_2022, `${KBC} Module: offline_fs_kbc`, undefined],
    [OF_2022, KBC, undefined],
    [OF_2022, 'relative URL without a base', /February 2023/],
    [OF_2022, 'Received unknown resource name: Policy', undefined],
    [OF_2023, `${KBC} Module: /default/cosign-public-key/test`, /of 2022/],
    [OF_2023, `${KBC} Module: offline_fs_kbc`, undefined],
    [OF_2023, KBC, /of 2022/],
    [OF_2023, 'relative URL without a base', /February 2023/],
    [OF_2023, 'Received unknown resource name: default/cosign-public-key/test', undefined],
    [OF_2023, '', undefined],
  ]
  for (const [question, text, is] of table) {
    const found = otherGeneration(`${PREFIX}${text}`, question)
    if (is === undefined) t.equal(found, undefined, `${question.year}: ${text}`)
    else t.match(found, is, `${question.year}: ${text}`)
    t.equal(otherGeneration(text, question), undefined, 'only an agent says what an agent is')
  }
})
