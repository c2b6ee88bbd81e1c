import t from 'tap'
import { mayAskForTokens, mayRedirectTo } from '../../src/upstream/allowed-hosts.ts'

const hosts = (upstream: string, listed: readonly string[] = []) => ({
  upstream: new URL(upstream),
  tokenHosts: listed,
  redirectHosts: listed,
})

t.test('cases 154, 155, 166: which realm may be asked for a token', async t => {
  const table: readonly { it: string; at: string; realm: string; listed?: string[]; may: boolean }[] = [
    { it: 'the registry itself', at: 'https://r.example', realm: 'https://r.example/token', may: true },
    { it: 'with its port', at: 'https://r.example:5000', realm: 'https://r.example:5000/token', may: true },
    { it: 'another port', at: 'https://r.example', realm: 'https://r.example:8443/token', may: false },
    { it: 'another host', at: 'https://r.example', realm: 'https://e.example/token', may: false },
    { it: 'a longer name', at: 'https://r.example', realm: 'https://r.example.e.example/token', may: false },
    { it: 'a name below', at: 'https://r.example', realm: 'https://auth.r.example/token', may: false },
    { it: 'listed', at: 'https://r.example', realm: 'https://a.example/t', listed: ['a.example'], may: true },
    {
      it: 'listed, another port',
      at: 'https://r.example',
      realm: 'https://a.example:1/',
      listed: ['a.example'],
      may: false,
    },
    {
      it: 'listed, not HTTPS',
      at: 'https://r.example',
      realm: 'http://a.example/t',
      listed: ['a.example'],
      may: false,
    },
    { it: 'down to HTTP', at: 'https://r.example', realm: 'http://r.example/token', may: false },
    { it: 'HTTP for a registry over HTTP', at: 'http://127.0.0.1:5000', realm: 'http://127.0.0.1:5000/t', may: true },
    { it: 'loopback', at: 'https://r.example', realm: 'https://127.0.0.1/', may: false },
    { it: 'localhost', at: 'https://r.example', realm: 'https://localhost/', may: false },
    { it: 'the metadata service', at: 'http://r.example', realm: 'http://169.254.169.254/', may: false },
    { it: 'IPv6', at: 'https://r.example', realm: 'https://[::1]/', may: false },
    { it: 'a user in the URL', at: 'https://r.example', realm: 'https://u:p@r.example/', may: false },
    { it: 'the name as a user', at: 'https://r.example', realm: 'https://r.example@e.example/', may: false },
    { it: 'another scheme', at: 'https://r.example', realm: 'ftp://r.example/', may: false },
    { it: 'a file', at: 'https://r.example', realm: 'file:///etc/passwd', may: false },
    { it: 'Docker Hub', at: 'https://registry-1.docker.io', realm: 'https://auth.docker.io/token', may: true },
    { it: 'for others', at: 'https://r.example', realm: 'https://auth.docker.io/token', may: false },
  ]
  for (const { it, at, realm, listed, may } of table)
    t.equal(mayAskForTokens(new URL(realm), hosts(at, listed)), may, it)
})

t.test('cases 157, 166: where a blob may be fetched from', async t => {
  const table: readonly { it: string; at: string; to: string; listed?: string[]; may: boolean }[] = [
    { it: 'the registry itself', at: 'https://r.example', to: 'https://r.example/x', may: true },
    { it: 'another host', at: 'https://r.example', to: 'https://s3.example/x', may: false },
    { it: 'listed', at: 'https://r.example', to: 'https://s3.example/x', listed: ['s3.example'], may: true },
    { it: 'down to HTTP', at: 'https://r.example', to: 'http://s3.example/x', listed: ['s3.example'], may: false },
    { it: 'the cluster', at: 'https://r.example', to: 'https://kubernetes.default/', may: false },
    { it: 'a database', at: 'http://r.example', to: 'http://127.0.0.1:6379/', may: false },
    { it: 'ghcr.io', at: 'https://ghcr.io', to: 'https://pkg-containers.githubusercontent.com/x', may: true },
    { it: 'a token host is none', at: 'https://registry-1.docker.io', to: 'https://auth.docker.io/x', may: false },
  ]
  for (const { it, at, to, listed, may } of table) t.equal(mayRedirectTo(new URL(to), hosts(at, listed)), may, it)
})
