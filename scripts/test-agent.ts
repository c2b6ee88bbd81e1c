import { parseArgs } from 'node:util'
import { startAttestationAgent, type AgentGeneration } from '../test/support/attestation-agent.ts'

/**
 * Runs the test suite's attestation-agent by hand, for docs/key-broker.md on a machine without the real one:
 *
 *   node scripts/test-agent.ts --generation 2023 --resources aa-offline_fs_kbc-resources.json --socket aa.sock
 */
const { values } = parseArgs({
  options: { generation: { type: 'string' }, resources: { type: 'string' }, socket: { type: 'string' } },
})
const generation = (['2022', '2023', 'cdh'] as const satisfies readonly AgentGeneration[]).find(
  one => one === values.generation,
)
if (generation === undefined || values.resources === undefined || values.socket === undefined) {
  throw new Error('needs --generation 2022|2023|cdh, --resources FILE and --socket PATH')
}
const agent = await startAttestationAgent({
  generation,
  resources: { from: 'file', path: values.resources },
  socket: values.socket,
})
process.stdout.write(`attestation-agent of the test suite (${generation}) on ${agent.address}\n`)
