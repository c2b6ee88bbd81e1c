import t from 'tap'
import { reasonPhrase } from '../../src/http/oci-error.ts'

t.test('the status line has its own words and the message, in characters that may stand there', async t => {
  const table = [
    {
      it: 'a refusal',
      status: 403,
      message: 'blocked by image policy: a@sha256:ab… needs a signature',
      phrase: 'Forbidden: blocked by image policy: a@sha256:ab... needs a signature',
    },
    { it: 'line ends make no header', status: 403, message: 'a\r\nx-evil: 1', phrase: 'Forbidden: a x-evil: 1' },
    { it: 'nothing but ASCII', status: 503, message: 'é\u0000\u2028\u{1f600}', phrase: 'Service Unavailable: ? ??' },
    { it: 'no endless line', status: 403, message: 'a'.repeat(5000), phrase: `Forbidden: ${'a'.repeat(249)}...` },
  ]
  for (const { it, status, message, phrase } of table) t.equal(reasonPhrase({ status, message }), phrase, it)
})
