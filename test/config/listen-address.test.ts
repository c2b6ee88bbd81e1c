import t from 'tap'
import { parseListenAddress } from '../../src/config/listen-address.ts'

t.test('addresses to listen on', async t => {
  const table = [
    { text: '127.0.0.1:5000', is: { kind: 'tcp', host: '127.0.0.1', port: 5000 } },
    { text: 'localhost:0', is: { kind: 'tcp', host: 'localhost', port: 0 } },
    { text: '[::1]:5000', is: { kind: 'tcp', host: '::1', port: 5000 } },
    { text: '/run/sealgate.sock', is: { kind: 'unix', path: '/run/sealgate.sock' } },
    { text: '5000', is: undefined },
    { text: 'a b:5000', is: undefined },
  ]
  for (const { text, is } of table) t.same(parseListenAddress(text), is, text)
})
