import * as fc from 'fast-check'
import t from 'tap'
import { decodeBase64 } from '../../src/json/base64.ts'

t.test('one text for the same bytes, and only one (case 41)', async t => {
  const table: readonly { text: string; hex: string | undefined }[] = [
    { text: '', hex: '' },
    { text: 'YQ==', hex: '61' },
    { text: 'YWI=', hex: '6162' },
    { text: 'YWJj', hex: '616263' },
    { text: '+/+/', hex: 'fbffbf' },
    { text: '-_-_', hex: undefined },
    { text: 'YQ', hex: undefined },
    { text: 'YQ=', hex: undefined },
    { text: 'YQ===', hex: undefined },
    { text: 'YWJj=', hex: undefined },
    { text: 'YWJj====', hex: undefined },
    { text: '====', hex: undefined },
    { text: '==', hex: undefined },
    { text: 'YR==', hex: undefined },
    { text: 'YWJ=', hex: undefined },
    { text: 'YQ==YQ==', hex: undefined },
    { text: ' YQ==', hex: undefined },
    { text: 'YQ==\n', hex: undefined },
    { text: 'Y&Q=', hex: undefined },
    { text: 'ＹＱ==', hex: undefined },
  ]
  for (const { text, hex } of table) {
    const bytes = decodeBase64(text)
    t.equal(bytes && Buffer.from(bytes).toString('hex'), hex, JSON.stringify(text))
  }
})

t.test('megabytes are read as a few bytes are', async t => {
  t.equal(decodeBase64('QUJD'.repeat(5_000_000))?.length, 15_000_000)
  t.equal(decodeBase64(`${'QUJD'.repeat(5_000_000)}-_-_`), undefined)
})

t.test('a property: what Buffer writes is read back', async () => {
  fc.assert(
    fc.property(fc.uint8Array(), bytes => {
      const read = decodeBase64(Buffer.from(bytes).toString('base64'))
      return read !== undefined && Buffer.from(read).equals(bytes)
    }),
  )
})
