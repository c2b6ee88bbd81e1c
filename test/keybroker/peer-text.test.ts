import t from 'tap'
import { peerText } from '../../src/keybroker/peer-text.ts'

t.test('what a peer says becomes one harmless line', async t => {
  const table: readonly (readonly [said: string, shown: string])[] = [
    ['ttrpc request error', '"ttrpc request error"'],
    ['', '""'],
    ['two\r\nlines\t here', '"two lines here"'],
    ['\u001b[31mred\u001b[0m', '"?[31mred?[0m"'],
    ['a\u202eb\u2028c\u0000d', '"a?b c?d"'],
    ['say "no"', '"say \\"no\\""'],
    ['key: -----BEGIN PUBLIC KEY-----\nMFkw', '"key:"'],
  ]
  for (const [said, shown] of table) t.equal(peerText(said), shown, `becomes ${shown}`)
  t.equal(peerText('x'.repeat(200)).length, 202)
  t.equal(peerText('x'.repeat(201)), `"${'x'.repeat(199)}…"`)
  t.equal(peerText('x'.repeat(10_000_000)).length, 202)
})
