import t from 'tap'
import { KeyBrokerError } from '../../src/keybroker/broker.ts'
import { openKeyBroker, type KeyBrokerOptions } from '../../src/keybroker/open-broker.ts'

t.test('what can be opened', async t => {
  const table: readonly (readonly [options: KeyBrokerOptions, describes: string | RegExp])[] = [
    [{ kind: 'attestation-agent-2022' }, 'attestation-agent-2022 at 127.0.0.1:50001'],
    [{ kind: 'attestation-agent-2023' }, 'attestation-agent-2023 at 127.0.0.1:50001'],
    [{ kind: 'cdh-grpc' }, 'cdh-grpc at 127.0.0.1:50000'],
    [{ kind: 'cdh' }, 'cdh at http://127.0.0.1:8006'],
    [{ kind: 'offline-fs' }, 'offline-fs at /etc/aa-offline_fs_kbc-resources.json'],
    [{ kind: 'cdh-grpc', address: 'unix:///run/cdh.sock' }, 'cdh-grpc at unix:///run/cdh.sock'],
    [{ kind: 'attestation-agent-2023', address: '[::1]:50001' }, 'attestation-agent-2023 at [::1]:50001'],
    [{ kind: 'attestation-agent-2023', address: 'agent:50001' }, 'attestation-agent-2023 at agent:50001'],
    [{ kind: 'attestation-agent-2023', address: 'agent' }, /neither host:port nor unix:\/path/],
    [{ kind: 'attestation-agent-2023', address: 'http://agent:50001' }, /neither host:port nor unix:\/path/],
    [{ kind: 'attestation-agent-2023', address: 'agent:0' }, /neither host:port nor unix:\/path/],
    [{ kind: 'attestation-agent-2023', address: 'agent:65536' }, /neither host:port nor unix:\/path/],
    [{ kind: 'attestation-agent-2023', address: 'xds:agent:1' }, /neither host:port nor unix:\/path/],
    [{ kind: 'attestation-agent-2023', address: 'unix:agent.sock' }, /neither host:port nor unix:\/path/],
    [{ kind: 'attestation-agent-2023', aaKbcParams: 'offline_fs_kbc' }, /aaKbcParams has no "::"/],
    [{ kind: 'cdh', address: '127.0.0.1:8006' }, /not of the form http:\/\/host:port/],
    [{ kind: 'cdh', address: 'file:///etc/shadow' }, /not of the form http:\/\/host:port/],
    [{ kind: 'cdh', address: 'http://user:secret@127.0.0.1:8006' }, /user name/],
    [{ kind: 'cdh', address: 'http://127.0.0.1:8006/cdh' }, /something after/],
  ]
  for (const [options, expected] of table) {
    try {
      const broker = openKeyBroker(options)
      t.equal(broker.describe(), expected)
      broker.close()
    } catch (error) {
      if (!(error instanceof KeyBrokerError) || typeof expected === 'string') throw error
      t.equal(error.code, 'BAD_CONFIGURATION')
      t.match(error.message, expected)
      t.notMatch(error.message, /secret/)
    }
  }
})

t.test('which failures may pass by themselves', async t => {
  const table = {
    NOT_REACHABLE: true,
    TIMED_OUT: true,
    REFUSED: true,
    WRONG_GENERATION: false,
    BAD_ANSWER: false,
    TOO_LARGE: false,
    EMPTY: false,
    BAD_NAME: false,
    UNSAFE_SOCKET: false,
    BAD_CONFIGURATION: false,
  } as const
  for (const code of ['NOT_REACHABLE', 'TIMED_OUT', 'REFUSED', 'WRONG_GENERATION', 'EMPTY', 'BAD_NAME'] as const) {
    t.equal(new KeyBrokerError(code, '').transient, table[code], code)
  }
})
