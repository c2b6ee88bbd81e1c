import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { keyTable } from '../../src/cli/keys.ts'
import { keyRows } from '../../src/trust/key-rows.ts'
import { loadSnapshot } from '../../src/trust/load-snapshot.ts'
import { temporaryDirectory, writePolicy } from '../support/gate.ts'
import { sharedFolder } from '../support/shared.ts'
import { ecdsaSigner } from '../support/signer.ts'
import { authority, pem } from '../support/x509.ts'

const base64 = (text: string): string => Buffer.from(text).toString('base64')

t.test('every piece of trust material is listed, where it came from, with its fingerprint', async t => {
  const key = ecdsaSigner().publicPem
  const ca = pem(authority('ca'))
  const policy = {
    default: [{ type: 'reject' }],
    transports: {
      docker: {
        'a.example': [
          { type: 'sigstoreSigned', keyData: base64(key), rekorPublicKeyPath: 'kbs:///default/rekor/test' },
        ],
        'b.example': [
          {
            type: 'sigstoreSigned',
            fulcio: {
              caData: base64(ca + pem(authority('second'))),
              oidcIssuer: 'https://i',
              subjectEmail: 'a@b.example',
            },
            rekorPublicKeyData: base64(key),
          },
        ],
        'c.example': [
          {
            type: 'sigstoreSigned',
            pki: { caRootsData: base64(ca), caIntermediatesData: base64(ca), subjectEmail: 'a@b.example' },
          },
        ],
        'd.example': [{ type: 'insecureAcceptAnything' }],
      },
    },
  }
  const { snapshot } = await loadSnapshot(
    {
      policy: { kind: 'file', path: writePolicy(temporaryDirectory(t), policy) },
      settings: [],
      askBroker: async () => ({ bytes: Buffer.from(key), from: 'a broker' }),
      askTuf: undefined,
    },
    AbortSignal.timeout(5000),
  )
  const rows = keyRows(snapshot).map(({ scope, key: name, from }) => `${scope} | ${name} | ${from}`)
  t.same(rows, [
    'docker a.example | keyData | policy',
    'docker a.example | kbs:///default/rekor/test | a broker',
    'docker b.example | caData | policy',
    'docker b.example | caData | policy',
    'docker b.example | rekorPublicKeyData | policy',
    'docker c.example | caRootsData | policy',
    'docker c.example | caIntermediatesData | policy',
  ])
  t.ok(keyRows(snapshot).every(({ fingerprint }) => /^SHA256:[0-9a-f]{64}$/.test(fingerprint)))
  t.match(keyTable(keyRows(snapshot)), /^SCOPE +KEY +FROM +FINGERPRINT/)
})

const keyring = vectorKeyring()

t.test(
  'a GPG keyring is listed by the fingerprints of its keys',
  { skip: keyring === undefined && '../shared is absent' },
  async t => {
    const policy = { default: [{ type: 'signedBy', keyType: 'GPGKeys', keyData: keyring }] }
    const place = { kind: 'file', path: writePolicy(temporaryDirectory(t), policy) } as const
    const { snapshot } = await loadSnapshot(
      { policy: place, settings: [], askBroker: undefined, askTuf: undefined },
      AbortSignal.timeout(5000),
    )
    t.match(keyRows(snapshot), [
      { scope: 'default', key: 'keyData', from: 'policy', fingerprint: /^GPG:[0-9A-F]{40}$/ },
    ])
  },
)

function vectorKeyring(): string | undefined {
  const folder = sharedFolder('vectors/containers-image')
  return folder && readFileSync(join(folder, 'keys/public-key.gpg')).toString('base64')
}
