import t from 'tap'
import { algorithmOf, digestMatches, digestOf, hexOf, parseDigest, shortDigest } from '../../src/reference/digest.ts'

const SHA256 = `sha256:${'ab'.repeat(32)}`
const SHA512 = `sha512:${'ab'.repeat(64)}`

t.test('the two algorithms, in lower case, whole (cases 85, 98, 122)', async t => {
  const table: readonly { text: string; is: boolean }[] = [
    { text: SHA256, is: true },
    { text: SHA512, is: true },
    { text: SHA256.toUpperCase(), is: false },
    { text: `SHA256:${'ab'.repeat(32)}`, is: false },
    { text: `sha256:${'AB'.repeat(32)}`, is: false },
    { text: SHA256.slice(0, -1), is: false },
    { text: `${SHA256}0`, is: false },
    { text: `sha512:${'ab'.repeat(32)}`, is: false },
    { text: `sha256:${'ab'.repeat(64)}`, is: false },
    { text: `sha384:${'ab'.repeat(48)}`, is: false },
    { text: `sha1:${'ab'.repeat(20)}`, is: false },
    { text: `md5:${'ab'.repeat(16)}`, is: false },
    { text: `${SHA256}abc`, is: false },
    { text: `sha256+b64:${'ab'.repeat(32)}`, is: false },
    { text: 'ab'.repeat(32), is: false },
    { text: `sha256-${'ab'.repeat(32)}`, is: false },
    { text: `sha256:${'zz'.repeat(32)}`, is: false },
    { text: `${SHA256}\n`, is: false },
    { text: ` ${SHA256}`, is: false },
    { text: 'sha256:../../etc/passwd', is: false },
    { text: 'sha256:', is: false },
    { text: '', is: false },
  ]
  for (const { text, is } of table) t.equal(parseDigest(text) !== undefined, is, JSON.stringify(text))
})

t.test('digests of bytes', async t => {
  const empty = digestOf(new Uint8Array())
  t.equal(empty, 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
  t.equal(hexOf(empty).length, 64)
  t.equal(shortDigest(empty), 'sha256:e3b0c44298fc…')
  for (const algorithm of ['sha256', 'sha512'] as const) {
    const digest = digestOf(Buffer.from('a'), algorithm)
    t.equal(algorithmOf(digest), algorithm)
    t.equal(digestMatches(digest, Buffer.from('a')), true)
    t.equal(digestMatches(digest, Buffer.from('b')), false)
  }
})
