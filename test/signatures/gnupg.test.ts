import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { parseGpgKeyring } from '../../src/signatures/gpg-keyring.ts'
import { checkGpgSignature } from '../../src/signatures/gpg-signature.ts'
import { parseSignatureBlob } from '../../src/signatures/signature-blob.ts'
import { payload, SUBJECT } from '../support/gpg.ts'

/** So that we do not only agree with ourselves: keys and signatures made by GnuPG, as podman and skopeo have it make them. */
const skip = spawnSync('gpg', ['--version']).status === 0 ? false : 'gpg is not installed'

t.test('GnuPG', { skip }, async t => {
  // Not t.testdir: the agent's socket lies in here, and its path must be short.
  const home = mkdtempSync(join(tmpdir(), 'gpg-'))
  t.teardown(() => {
    spawnSync('gpgconf', ['--homedir', home, '--kill', 'gpg-agent'])
    rmSync(home, { recursive: true, force: true })
  })
  function gpg(args: readonly string[], input?: string): Buffer {
    const always = [
      '--homedir',
      home,
      '--batch',
      '--yes',
      '--no-tty',
      '--pinentry-mode',
      'loopback',
      '--passphrase',
      '',
    ]
    const { status, stdout, stderr } = spawnSync('gpg', [...always, ...args], { input })
    if (status !== 0) throw new Error(stderr.toString())
    return stdout
  }
  gpg(['--quick-generate-key', 'alice <alice@example.org>', 'ed25519', 'sign', 'never'])
  gpg(['--quick-generate-key', 'bob <bob@example.org>', 'ed25519', 'cert', 'never'])
  const listed = gpg(['--with-colons', '--list-keys', 'bob']).toString()
  const bobs = /^fpr:+([0-9A-F]{40}):/m.exec(listed)?.[1] ?? ''
  gpg(['--quick-add-key', bobs, 'ed25519', 'sign', 'never'])
  gpg(['--quick-generate-key', 'carol <carol@example.org>', 'rsa2048', 'sign', 'never'])

  const keyring = await parseGpgKeyring(
    [gpg(['--export', 'alice', 'bob']), gpg(['--armor', '--export', 'carol'])],
    'all',
  )
  t.equal(keyring.keys.length, 3)
  async function check(untrustedBytes: Uint8Array): Promise<string> {
    const blob = parseSignatureBlob(untrustedBytes, { place: 'lookaside', name: 'signature-1' })
    if (blob.format !== 'gpg') return blob.format
    // GnuPG's clock may have gone on to the next second.
    const now = new Date(Date.now() + 1000)
    const result = await checkGpgSignature({ untrustedBytes: blob.untrustedBytes, keyring, subject: SUBJECT, now })
    return result.verified ? `by ${result.signature.signer}` : result.rejection.message
  }
  const content = JSON.stringify(payload())
  const [alices, , carols] = keyring.fingerprints.map(fingerprint => fingerprint.toUpperCase())
  const sign = (...args: readonly string[]): Buffer => gpg([...args, '--sign'], content)
  const table = [
    { it: 'as it comes', bytes: sign('-u', 'alice'), says: `by ${alices}` },
    { it: 'by a subkey of a key that only certifies', bytes: sign('-u', 'bob'), says: `by ${bobs}` },
    { it: 'RSA', bytes: sign('-u', 'carol'), says: `by ${carols}` },
    { it: 'ZLIB', bytes: sign('-u', 'alice', '--compress-algo', 'zlib'), says: `by ${alices}` },
    { it: 'not compressed', bytes: sign('-u', 'alice', '--compress-algo', 'none'), says: `by ${alices}` },
    { it: 'SHA-512', bytes: sign('-u', 'carol', '--digest-algo', 'SHA512'), says: `by ${carols}` },
    { it: 'SHA-1', bytes: sign('-u', 'carol', '--digest-algo', 'SHA1'), says: /Insecure message hash algorithm: SHA1/ },
    { it: 'by two', bytes: sign('-u', 'alice', '-u', 'carol'), says: /holds 2 signatures/ },
    { it: 'in armor', bytes: sign('-u', 'alice', '--armor'), says: 'unusable' },
    { it: 'cleartext', bytes: gpg(['-u', 'alice', '--clearsign'], content), says: 'unusable' },
    { it: 'detached', bytes: gpg(['-u', 'alice', '--detach-sign'], content), says: /made of OpenPGP packets 2;/ },
    { it: 'not signed', bytes: gpg(['--store'], content), says: /without a signature/ },
  ]
  for (const row of table) t.match(await check(row.bytes), row.says, row.it)
})
