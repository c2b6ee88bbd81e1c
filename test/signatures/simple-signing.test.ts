import t from 'tap'
import { parseSimpleSigning, PAYLOAD_TYPES } from '../../src/signatures/simple-signing.ts'

const digest = `sha256:${'ab'.repeat(32)}`
const good = {
  critical: {
    identity: { 'docker-reference': 'example.org/test' },
    image: { 'docker-manifest-digest': digest },
    type: 'cosign container image signature',
  },
  optional: { creator: 'me', timestamp: 1_500_000_000, env: 'prod' },
}
type Json = Record<string, unknown>
const text = (change: (payload: { critical: Json; optional: unknown } & Json) => void): string => {
  const payload = structuredClone<Json>(good)
  change(payload as { critical: Json; optional: unknown } & Json)
  return JSON.stringify(payload)
}
const parse = (bytes: string | Buffer) => parseSimpleSigning(Buffer.from(bytes), PAYLOAD_TYPES.cosign)

t.test('what cosign writes is read', async t => {
  t.same(parse(JSON.stringify(good)), { ok: true, payload: { digest, dockerReference: 'example.org/test' } })
  t.equal(parse(text(payload => (payload.optional = null))).ok, true, 'optional: null, as cosign writes it without -a')
  t.equal(parse(text(payload => (payload.optional = {}))).ok, true)
  t.equal(parse(text(payload => (payload.optional = { a: [1, { b: null }] }))).ok, true, 'anything may be in optional')
})

t.test('everything else is not a statement, though a trusted key has signed it (cases 34 to 40)', async t => {
  const table: readonly { it: string; text: string | Buffer }[] = [
    { it: 'no JSON', text: '&' },
    { it: 'an empty object', text: '{}' },
    { it: 'an array', text: '[]' },
    { it: 'null', text: 'null' },
    { it: 'an extra top-level field', text: text(payload => (payload['extra'] = 1)) },
    { it: 'no critical', text: JSON.stringify({ optional: {} }) },
    { it: 'no optional', text: JSON.stringify({ critical: good.critical }) },
    { it: 'critical is no object', text: text(payload => ((payload as Json)['critical'] = 1)) },
    { it: 'an extra field in critical', text: text(payload => (payload.critical['extra'] = 1)) },
    { it: 'no type', text: text(payload => delete payload.critical['type']) },
    {
      it: 'the type of a GPG signature',
      text: text(payload => (payload.critical['type'] = 'atomic container signature')),
    },
    { it: 'a type that is a number', text: text(payload => (payload.critical['type'] = 1)) },
    {
      it: 'the type in another case',
      text: text(payload => (payload.critical['type'] = 'Cosign container image signature')),
    },
    { it: 'an image that is a number', text: text(payload => (payload.critical['image'] = 1)) },
    { it: 'no image', text: text(payload => delete payload.critical['image']) },
    { it: 'no digest', text: text(payload => (payload.critical['image'] = {})) },
    {
      it: 'an extra field in image',
      text: text(payload => (payload.critical['image'] = { 'docker-manifest-digest': digest, x: 1 })),
    },
    {
      it: 'a digest that is none',
      text: text(payload => (payload.critical['image'] = { 'docker-manifest-digest': 'sha256:ab' })),
    },
    {
      it: 'a digest of another algorithm',
      text: text(payload => (payload.critical['image'] = { 'docker-manifest-digest': `md5:${'a'.repeat(32)}` })),
    },
    {
      it: 'a digest that is a number',
      text: text(payload => (payload.critical['image'] = { 'docker-manifest-digest': 1 })),
    },
    { it: 'no identity', text: text(payload => delete payload.critical['identity']) },
    { it: 'an identity that is a number', text: text(payload => (payload.critical['identity'] = 1)) },
    {
      it: 'an extra field in identity',
      text: text(payload => (payload.critical['identity'] = { 'docker-reference': 'example.org/test', x: 1 })),
    },
    { it: 'no reference', text: text(payload => (payload.critical['identity'] = {})) },
    {
      it: 'a reference that is a number',
      text: text(payload => (payload.critical['identity'] = { 'docker-reference': 1 })),
    },
    { it: 'optional is a string', text: text(payload => (payload.optional = 'x')) },
    { it: 'creator is a number', text: text(payload => (payload.optional = { creator: 1 })) },
    { it: 'timestamp is a string', text: text(payload => (payload.optional = { timestamp: 'x' })) },
    { it: 'timestamp is a fraction', text: text(payload => (payload.optional = { timestamp: 0.5 })) },
    { it: 'optional is a number', text: text(payload => (payload.optional = 1)) },
    {
      it: 'a repeated digest, the good one first',
      text: JSON.stringify(good).replace(
        `"docker-manifest-digest":"${digest}"`,
        `"docker-manifest-digest":"${digest}","docker-manifest-digest":"sha256:${'cd'.repeat(32)}"`,
      ),
    },
    {
      it: 'a digest in another case beside it',
      text: text(
        payload => (payload.critical['image'] = { 'docker-manifest-digest': digest, 'Docker-Manifest-Digest': digest }),
      ),
    },
    {
      it: 'a repeated key in optional',
      text: JSON.stringify(good).replace('"creator"', '"creator":"x","creator"'),
    },
    { it: 'a repeated critical', text: JSON.stringify(good).replace('"optional"', `"critical":{},"optional"`) },
    { it: 'critical in another case', text: JSON.stringify(good).replace('"optional"', `"Critical":{},"optional"`) },
    {
      it: 'what is missing, inherited by way of __proto__',
      text: JSON.stringify({ critical: 0, optional: null }).replace(
        '0',
        `{"__proto__":${JSON.stringify(good.critical)}}`,
      ),
    },
    { it: 'constructor', text: JSON.stringify(good).replace('"optional"', `"constructor":{},"optional"`) },
    { it: '__proto__', text: JSON.stringify(good).replace('"optional"', `"__proto__":{},"optional"`) },
    { it: 'a byte order mark', text: `\uFEFF${JSON.stringify(good)}` },
    {
      it: 'broken UTF-8',
      // Valid but for one byte in a field that is only a note.
      text: Buffer.from(JSON.stringify(good).replace('"me"', '"\u00ff"'), 'latin1'),
    },
    { it: 'a second document', text: `${JSON.stringify(good)}{}` },
  ]
  for (const row of table) t.equal(parse(row.text).ok, false, row.it)
})

t.test('a GPG payload is read as one, and never as a cosign payload', async t => {
  const gpg = text(payload => (payload.critical['type'] = 'atomic container signature'))
  t.equal(parseSimpleSigning(Buffer.from(gpg), PAYLOAD_TYPES.gpg).ok, true)
  t.equal(parseSimpleSigning(Buffer.from(JSON.stringify(good)), PAYLOAD_TYPES.gpg).ok, false)
})
