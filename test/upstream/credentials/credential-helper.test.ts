import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { askCredentialHelper } from '../../../src/upstream/credentials/credential-helper.ts'
import { parseDockerConfig } from '../../../src/upstream/credentials/docker-config.ts'
import { DockerCredentials } from '../../../src/upstream/credentials/docker-credentials.ts'
import { temporaryDirectory } from '../../support/gate.ts'

const directory = temporaryDirectory(t)
const path = process.env['PATH']
process.env['PATH'] = `${directory}:${path}`
t.teardown(() => (process.env['PATH'] = path))

function writeHelper(name: string, script: string): void {
  const file = join(directory, `docker-credential-${name}`)
  writeFileSync(file, `#!/bin/sh\n${script}\n`)
  chmodSync(file, 0o755)
}

t.test('what a helper says', async t => {
  const server = 'registry.example:5000'
  const answer = (fields: object): string => `cat >/dev/null; echo '${JSON.stringify(fields)}'`
  const table: readonly { it: string; script: string; is: object | undefined }[] = [
    {
      it: 'a password',
      script: `read -r asked; [ "$1" = get ] && echo "{\\"ServerURL\\":\\"x\\",\\"Username\\":\\"u\\",\\"Secret\\":\\"for $asked\\"}"`,
      is: { kind: 'password', username: 'u', password: `for ${server}` },
    },
    {
      it: 'an identity token',
      script: answer({ Username: '<token>', Secret: 'refresh' }),
      is: { kind: 'identity-token', token: 'refresh' },
    },
    { it: 'no secret', script: answer({ Username: '', Secret: '' }), is: undefined },
    { it: 'does not know it', script: 'echo "credentials not found in native keychain"; exit 1', is: undefined },
  ]
  for (const { it, script, is } of table) {
    writeHelper('fine', script)
    t.same(await askCredentialHelper('fine', server), is, it)
  }
})

t.test('a helper that fails is a failure, and its output stays with it', async t => {
  const table: readonly { it: string; script: string; is: RegExp }[] = [
    { it: 'exits', script: 'echo "s3cret"; exit 3', is: /exit code 3/ },
    { it: 'is killed', script: 'echo s3cret; kill -9 $$', is: /SIGKILL/ },
    { it: 'no JSON', script: 'echo s3cret', is: /no credentials/ },
    { it: 'no secret in it', script: `echo '{"Username":"s3cret"}'`, is: /no credentials/ },
    { it: 'without end', script: 'yes s3cret', is: /more than credentials take/ },
  ]
  for (const { it, script, is } of table) {
    writeHelper('broken', script)
    const error = await askCredentialHelper('broken', 'a.example').catch((thrown: unknown) => thrown)
    t.match(error, { code: 'CREDENTIALS_UNREADABLE', message: is }, it)
    t.notMatch(String(error), /s3cret/)
  }
  const missing = askCredentialHelper('none-of-that-name', 'a.example')
  await t.rejects(missing, { code: 'CREDENTIALS_UNREADABLE', message: /is not in PATH/ })
})

t.test('what a helper has started ends with it', async t => {
  const file = join(directory, 'pid')
  writeHelper('parent', `sleep 300 >/dev/null & echo $! >${file}; yes s3cret`)
  await t.rejects(askCredentialHelper('parent', 'a.example'), { message: /more than credentials take/ })
  const pid = Number(readFileSync(file, 'utf8'))
  const isThere = (): boolean => {
    // A process that has ended and was waited for by nobody yet is still in the table, as a zombie.
    try {
      return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
    } catch {
      return false
    }
  }
  for (let tries = 0; tries < 50 && isThere(); tries += 1) await new Promise(resolve => setTimeout(resolve, 20))
  t.notOk(isThere())
})

t.test('a helper is asked once for many, and the file is read each time', async t => {
  const log = join(directory, 'log')
  writeFileSync(log, '')
  writeHelper('counted', `read -r asked; echo x >>${log}; echo '{"Username":"u","Secret":"s"}'`)
  let text = '{"credHelpers":{"a.example":"counted"}}'
  const credentials = new DockerCredentials(async () => {
    const parsed = parseDockerConfig(Buffer.from(text))
    if (!parsed.ok) throw new Error('unexpected')
    return parsed.config
  }).forHost('a.example')
  await Promise.all([credentials('one'), credentials('two'), credentials('three')])
  t.same(await credentials('four'), { kind: 'password', username: 'u', password: 's' })
  t.equal(readFileSync(log, 'utf8'), 'x\n')
  text = `{"auths":{"a.example":{"username":"now","password":"another"}}}`
  t.same(await credentials('one'), { kind: 'password', username: 'now', password: 'another' })
})
