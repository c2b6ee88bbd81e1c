import t from 'tap'
import { parseSignatureBlob } from '../../src/signatures/signature-blob.ts'

const ORIGIN = { place: 'lookaside', name: 'lookaside signature-1' } as const
const MIME = 'application/vnd.dev.cosign.simplesigning.v1+json'
const sigstore = (content: unknown): Uint8Array =>
  Buffer.from(`\0sigstore-json\n${typeof content === 'string' ? content : JSON.stringify(content)}`)
const good = { mimeType: MIME, payload: Buffer.from('{}').toString('base64'), annotations: { a: 'b' } }

t.test('OpenPGP messages', async t => {
  for (const header of [0xa3, 0xc8, 0x90, 0x93, 0xc4, 0x88, 0x89, 0xc2]) {
    const untrustedBytes = Buffer.from([header, 1, 2])
    t.strictSame(parseSignatureBlob(untrustedBytes, ORIGIN), { format: 'gpg', origin: ORIGIN, untrustedBytes })
  }
  const named = parseSignatureBlob(Buffer.from('\0simple-signing\nabc'), ORIGIN)
  t.equal(named.format === 'gpg' && Buffer.from(named.untrustedBytes).toString(), 'abc')
})

t.test('cosign signatures', async t => {
  const parsed = parseSignatureBlob(sigstore(good), ORIGIN)
  if (parsed.format !== 'simple-signing') throw new Error(parsed.format)
  t.equal(Buffer.from(parsed.untrustedPayload).toString(), '{}')
  t.strictSame([...parsed.untrustedAnnotations], [['a', 'b']])
  t.equal(parseSignatureBlob(sigstore({ ...good, future: 1 }), ORIGIN).format, 'simple-signing', 'other keys')
  t.equal(
    parseSignatureBlob(sigstore({ ...good, annotations: null }), ORIGIN).format,
    'simple-signing',
    'no annotations',
  )
})

t.test('what is neither', async t => {
  const table = [
    { it: 'no bytes', bytes: Buffer.alloc(0), says: /is empty/ },
    { it: 'HTML', bytes: Buffer.from('<html>'), says: /neither/ },
    { it: 'ASCII armor', bytes: Buffer.from('-----BEGIN PGP SIGNED MESSAGE-----'), says: /neither/ },
    { it: 'an OpenPGP literal', bytes: Buffer.from([0xcb, 0]), says: /neither/ },
    { it: 'an OpenPGP key', bytes: Buffer.from([0x99, 0]), says: /neither/ },
    { it: 'a zero alone', bytes: Buffer.from([0]), says: /names no format/ },
    { it: 'an unknown format', bytes: Buffer.from('\0notation\n{}'), says: /unknown format/ },
    { it: 'an empty format', bytes: Buffer.from('\0\n{}'), says: /unknown format/ },
    { it: 'a format that is no ASCII', bytes: Buffer.from('\0sigstore-jsön\n{}'), says: /unknown format/ },
    { it: 'no JSON', bytes: sigstore('nonsense'), says: /line 1/ },
    { it: 'no object', bytes: sigstore([]), says: /no mimeType/ },
    { it: 'a key twice', bytes: sigstore(`{"payload":"","payload":""}`), says: /repeated/ },
    { it: 'no payload', bytes: sigstore({ mimeType: MIME }), says: /no payload/ },
    { it: 'a payload that is not base64', bytes: sigstore({ ...good, payload: '%' }), says: /not base64/ },
    { it: 'annotations that are no strings', bytes: sigstore({ ...good, annotations: { a: 1 } }), says: /string/ },
    { it: 'another media type', bytes: sigstore({ ...good, mimeType: 'text/plain' }), says: /no simple signing/ },
  ]
  for (const row of table) {
    const parsed = parseSignatureBlob(row.bytes, ORIGIN)
    t.match(parsed.format === 'unusable' ? parsed.problem : parsed.format, row.says, row.it)
  }
})
