import t from 'tap'
import { parseChallenge, type Challenge } from '../../src/upstream/challenge.ts'

const bearer = (realm: string, service?: string): Challenge => ({ scheme: 'bearer', realm, service })
const basic: Challenge = { scheme: 'basic' }
const HUB = 'Bearer realm="https://auth.docker.io/token",service="registry.docker.io"'

const table: readonly { it: string; header: string | undefined; challenge: Challenge | undefined }[] = [
  { it: 'no header', header: undefined, challenge: undefined },
  { it: 'an empty one', header: '', challenge: undefined },
  { it: 'Docker Hub', header: HUB, challenge: bearer('https://auth.docker.io/token', 'registry.docker.io') },
  {
    it: 'case 167: a scope is not read',
    header: `${HUB},scope="repository:*:*",error="invalid_token"`,
    challenge: bearer('https://auth.docker.io/token', 'registry.docker.io'),
  },
  { it: 'no service', header: 'Bearer realm="https://r/t"', challenge: bearer('https://r/t') },
  { it: 'spaces and case', header: 'bEARER  Realm = "https://r/t" , SERVICE=x', challenge: bearer('https://r/t', 'x') },
  { it: 'Basic', header: 'Basic realm="x"', challenge: basic },
  { it: 'Basic alone', header: 'basic', challenge: basic },
  { it: 'Basic and Bearer', header: `Basic realm="x", ${HUB}`, challenge: parseChallenge(HUB) },
  { it: 'Bearer and Basic', header: `${HUB}, Basic realm="x"`, challenge: parseChallenge(HUB) },
  { it: 'another scheme before', header: `Negotiate YII=, ${HUB}`, challenge: parseChallenge(HUB) },
  { it: 'only other schemes', header: 'Digest realm="x", nonce="y"', challenge: undefined },
  { it: 'a scheme in a quoted string is none', header: 'Digest a="x, Bearer realm=https://e/"', challenge: undefined },
  {
    it: 'a parameter in a quoted string is none',
    header: 'Bearer service="x realm=https://e/",realm="https://r/t"',
    challenge: bearer('https://r/t', 'x realm=https://e/'),
  },
  { it: 'an escaped quote', header: 'Bearer realm="https://r/\\"t"', challenge: bearer('https://r/"t') },
  { it: 'case 154: two realms', header: 'Bearer realm="https://r/",realm="https://e/"', challenge: undefined },
  { it: 'Bearer without a realm', header: 'Bearer service="x"', challenge: undefined },
  { it: 'an empty realm', header: 'Bearer realm=""', challenge: undefined },
  { it: 'an open quote', header: 'Bearer realm="https://r/', challenge: undefined },
  { it: 'a scheme run together with more', header: 'BearerX realm="https://r/"', challenge: undefined },
  { it: 'more than 4 KiB', header: `${HUB},x="${'y'.repeat(4096)}"`, challenge: undefined },
  { it: 'no syntax at all', header: '"""===,,,', challenge: undefined },
]
for (const { it, header, challenge } of table) t.same(parseChallenge(header), challenge, it)
