import * as fc from 'fast-check'
import t from 'tap'
import {
  formatDockerReference,
  formatReference,
  parseDockerReference,
  parseImageReference,
} from '../../src/reference/image-reference.ts'

const DIGEST = `sha256:${'ab'.repeat(32)}`
const HEX = '1a3f5e7d9c1b3a5f7e9d1c3b5a7f9e1d3c5b7a9f1e3d5d7c9b1a3f5e7d9c1b3a'

const normal = (text: string): string | undefined => {
  const reference = parseDockerReference(text)
  return reference && formatDockerReference(reference)
}

t.test('names become what distribution/reference makes of them; hosts are folded besides', async t => {
  const table: readonly { text: string; is: string | undefined }[] = [
    { text: 'debian', is: 'docker.io/library/debian' },
    { text: 'debian:12', is: 'docker.io/library/debian:12' },
    { text: `debian@${DIGEST}`, is: `docker.io/library/debian@${DIGEST}` },
    { text: `debian:12@${DIGEST}`, is: `docker.io/library/debian:12@${DIGEST}` },
    { text: 'library/debian', is: 'docker.io/library/debian' },
    { text: 'docker/docker', is: 'docker.io/docker/docker' },
    { text: 'docker.io/debian', is: 'docker.io/library/debian' },
    { text: 'docker.io/library/debian', is: 'docker.io/library/debian' },
    { text: 'docker.io/library/foo/bar', is: 'docker.io/library/foo/bar' },
    { text: 'index.docker.io/debian', is: 'docker.io/library/debian' },
    { text: 'registry-1.docker.io/debian', is: 'docker.io/library/debian' },
    { text: 'notlocalhost/debian', is: 'docker.io/notlocalhost/debian' },
    { text: 'test_com/foo', is: 'docker.io/test_com/foo' },
    { text: 'localhost/debian', is: 'localhost/debian' },
    // distribution takes these for hosts of one word; folded to lower case they would be paths of Docker Hub: refused.
    { text: 'LOCALDOMAIN/debian', is: undefined },
    { text: 'Docker/docker', is: undefined },
    { text: '127.0.0.1:5000/library/debian', is: '127.0.0.1:5000/library/debian' },
    { text: 'test-com:8080/foo:1', is: 'test-com:8080/foo:1' },
    { text: 'xn--n3h.com:18080/foo', is: 'xn--n3h.com:18080/foo' },
    { text: '192.168.0.1', is: 'docker.io/library/192.168.0.1' },
    { text: '192.168.0.1:80', is: 'docker.io/library/192.168.0.1:80' },
    { text: 'docker---rules/docker', is: 'docker.io/docker---rules/docker' },
    { text: 'dock__er/docker', is: 'docker.io/dock__er/docker' },
    { text: `docker.io/${HEX}`, is: `docker.io/library/${HEX}` },
    { text: HEX.slice(1), is: `docker.io/library/${HEX.slice(1)}` },
    { text: 'a:sha256-ab.sig', is: 'docker.io/library/a:sha256-ab.sig' },
    { text: '', is: undefined },
    { text: HEX, is: undefined },
    { text: 'https://example.org/a', is: undefined },
    { text: 'docker/Docker', is: undefined },
    { text: 'UPPERCASE', is: undefined },
    { text: '-docker', is: undefined },
    { text: '-docker/docker', is: undefined },
    { text: '-docker.io/docker/docker', is: undefined },
    { text: 'docker-/docker', is: undefined },
    { text: '____/____', is: undefined },
    { text: '_docker/_docker', is: undefined },
    { text: 'dock..er/docker', is: undefined },
    { text: 'dock_.er/docker', is: undefined },
    { text: 'docker///docker', is: undefined },
    { text: 'docker/', is: undefined },
    { text: '/docker', is: undefined },
    { text: 'example.org/', is: undefined },
    { text: 'example.org/a:', is: undefined },
    { text: 'example.org/a:-b', is: undefined },
    { text: 'example.org/a:b:c', is: undefined },
    { text: 'example.org/a:b/c', is: undefined },
    { text: 'example.org/a@', is: undefined },
    { text: 'example.org/a@b', is: undefined },
    { text: `example.org/a@${DIGEST}@${DIGEST}`, is: undefined },
    { text: `example.org/a@${DIGEST}:1`, is: undefined },
    { text: `example.org/a@sha256:${'AB'.repeat(32)}`, is: undefined },
    { text: `example.org/a@md5:${'ab'.repeat(16)}`, is: undefined },
    { text: DIGEST, is: `docker.io/library/${DIGEST}` },
    { text: `sha512:${'ab'.repeat(64)}`, is: `docker.io/library/sha512:${'ab'.repeat(64)}` },
    { text: 'example.org./a', is: undefined },
    { text: 'еxample.com/a', is: undefined },
    { text: ' example.org/a', is: undefined },
    { text: 'example.org/a\n', is: undefined },
    { text: 'example.org/a b', is: undefined },
    { text: `${'a'.repeat(256)}/a`, is: undefined },
  ]
  for (const { text, is } of table) t.equal(normal(text), is, encodeURI(text))
})

t.test('an image on the command line is by tag or by digest', async t => {
  const table: readonly { text: string; is: string | undefined }[] = [
    { text: 'busybox', is: 'docker.io/library/busybox:latest' },
    { text: 'example.org/a:1', is: 'example.org/a:1' },
    { text: `example.org/a@${DIGEST}`, is: `example.org/a@${DIGEST}` },
    { text: `example.org/a:1@${DIGEST}`, is: `example.org/a@${DIGEST}` },
    { text: 'A B', is: undefined },
  ]
  for (const { text, is } of table) {
    const reference = parseImageReference(text)
    t.equal(reference && formatReference(reference), is, text)
  }
})

t.test('a property: no text throws, and what is read is written and read again as the same', async () => {
  const piece = fc.constantFrom(
    'a',
    'B',
    'docker.io',
    'example.org',
    ':5000',
    '/',
    ':',
    '@',
    DIGEST,
    '.',
    '-',
    '_',
    'é',
    ' ',
  )
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(piece, { maxLength: 8 }).map(pieces => pieces.join('')),
  )
  fc.assert(
    fc.property(text, input => {
      const once = normal(input)
      return once === undefined || normal(once) === once
    }),
    { numRuns: 2000 },
  )
})
