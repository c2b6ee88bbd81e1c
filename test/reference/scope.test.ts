import t from 'tap'
import { parseImageReference } from '../../src/reference/image-reference.ts'
import { scopesOf } from '../../src/reference/scope.ts'

const DIGEST = `sha256:${'ab'.repeat(32)}`

/** containers/image's naming table: a name, and the names of which policies may speak for it. */
const NAMES: readonly { name: string; namespaces: readonly string[] }[] = [
  { name: 'example.com/ns/repo', namespaces: ['example.com/ns/repo', 'example.com/ns', 'example.com', '*.com'] },
  { name: 'example.com/repo', namespaces: ['example.com/repo', 'example.com', '*.com'] },
  {
    name: 'example.com:8443/ns/repo',
    namespaces: ['example.com:8443/ns/repo', 'example.com:8443/ns', 'example.com:8443', '*.com'],
  },
  {
    name: 'very.deep.com/ns/repo',
    namespaces: ['very.deep.com/ns/repo', 'very.deep.com/ns', 'very.deep.com', '*.deep.com', '*.com'],
  },
  { name: 'localhost/ns/repo', namespaces: ['localhost/ns/repo', 'localhost/ns', 'localhost'] },
  { name: 'localhost/repo', namespaces: ['localhost/repo', 'localhost'] },
  {
    name: 'notlocalhost/repo',
    namespaces: ['docker.io/notlocalhost/repo', 'docker.io/notlocalhost', 'docker.io', '*.io'],
  },
  { name: 'docker.io/ns/repo', namespaces: ['docker.io/ns/repo', 'docker.io/ns', 'docker.io', '*.io'] },
  { name: 'docker.io/repo', namespaces: ['docker.io/library/repo', 'docker.io/library', 'docker.io', '*.io'] },
  { name: 'library/repo', namespaces: ['docker.io/library/repo', 'docker.io/library', 'docker.io', '*.io'] },
  { name: 'repo', namespaces: ['docker.io/library/repo', 'docker.io/library', 'docker.io', '*.io'] },
  { name: 'ns/repo', namespaces: ['docker.io/ns/repo', 'docker.io/ns', 'docker.io', '*.io'] },
]

t.test('the whole reference comes first, then its names', async t => {
  for (const { name, namespaces } of NAMES) {
    for (const suffix of [':tag', `@${DIGEST}`]) {
      const reference = parseImageReference(`${name}${suffix}`)
      t.same(reference && scopesOf(reference), [`${namespaces[0]}${suffix}`, ...namespaces], `${name}${suffix}`)
    }
  }
})
