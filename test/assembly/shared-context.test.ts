import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { contextOf } from '../../src/assembly/open-shared.ts'
import { parseConfig, type Config } from '../../src/config/config.ts'

function configOf(change: object): Config {
  const parsed = parseConfig({ policy: 'p', registries: { 'example.org': { url: 'http://127.0.0.1:1' } }, ...change })
  if (!parsed.ok) throw new Error(parsed.problems.join())
  return parsed.config
}

t.test('case 183: replicas of another version, or with other settings, do not see each other’s entries', async t => {
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8'))
  const usual = await contextOf(configOf({}))
  t.ok(usual.includes(`sealgate ${version}`), 'the version is part of every key')
  const changes = [
    { signedIdentityDefault: 'none' },
    { index: 'children' },
    { indexDepth: 1 },
    { limits: { signatures: 5 } },
    { limits: { signatureBytes: 5 } },
  ]
  for (const change of changes) t.notSame(await contextOf(configOf(change)), usual, JSON.stringify(change))
  t.same(await contextOf(configOf({ listen: '127.0.0.1:1' })), usual, 'where it listens changes no verdict')
})
