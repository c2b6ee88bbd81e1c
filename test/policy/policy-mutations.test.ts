import * as fc from 'fast-check'
import t from 'tap'
import { parsePolicy } from '../../src/policy/parse-policy.ts'

/**
 * containers/image's way of testing its parser: take what is valid, spoil each field in turn, and nothing spoilt may be
 * taken. Fields are deleted, repeated, replaced by each other kind of value; others are added everywhere.
 */

const DATA = Buffer.from('key').toString('base64')
const identity = (more: object): object => ({ type: 'sigstoreSigned', keyPath: 'k', signedIdentity: more })
const VALID: Readonly<Record<string, object>> = {
  insecureAcceptAnything: { type: 'insecureAcceptAnything' },
  reject: { type: 'reject' },
  signedBaseLayer: { type: 'signedBaseLayer', baseLayerIdentity: { type: 'matchExact' } },
  'signedBy keyPath': { type: 'signedBy', keyType: 'GPGKeys', keyPath: 'k', signedIdentity: { type: 'matchExact' } },
  'signedBy keyPaths': { type: 'signedBy', keyType: 'GPGKeys', keyPaths: ['a', 'b'] },
  'signedBy keyData': { type: 'signedBy', keyType: 'GPGKeys', keyData: DATA },
  keyPath: { type: 'sigstoreSigned', keyPath: 'k', rekorPublicKeyPath: 'r', signedIdentity: { type: 'matchExact' } },
  keyPaths: { type: 'sigstoreSigned', keyPaths: ['a', 'b'], rekorPublicKeyPaths: ['r', 's'] },
  keyData: { type: 'sigstoreSigned', keyData: DATA, rekorPublicKeyData: DATA },
  keyDatas: { type: 'sigstoreSigned', keyDatas: [DATA, DATA], rekorPublicKeyDatas: [DATA] },
  fulcio: {
    type: 'sigstoreSigned',
    fulcio: { caPath: 'c', oidcIssuer: 'i', subjectEmail: 'e' },
    rekorPublicKeyPath: 'r',
  },
  'fulcio caData': {
    type: 'sigstoreSigned',
    fulcio: { caData: DATA, oidcIssuer: 'i', subjectEmail: 'e' },
    rekorPublicKeyData: DATA,
  },
  pki: {
    type: 'sigstoreSigned',
    pki: { caRootsPath: 'r', caIntermediatesPath: 'i', subjectEmail: 'e', subjectHostname: 'h' },
  },
  'pki data': {
    type: 'sigstoreSigned',
    pki: { caRootsData: DATA, caIntermediatesData: DATA, subjectHostname: 'h' },
  },
  matchRepoDigestOrExact: identity({ type: 'matchRepoDigestOrExact' }),
  matchRepository: identity({ type: 'matchRepository' }),
  exactReference: identity({ type: 'exactReference', dockerReference: 'a.example/b:1' }),
  exactRepository: identity({ type: 'exactRepository', dockerRepository: 'a.example/b' }),
  remapIdentity: identity({ type: 'remapIdentity', prefix: 'a.example', signedPrefix: 'b.example/c' }),
}
/** What may be left out, besides one of two Rekor or subject fields: the document stays valid without them. */
const MAY_BE_ABSENT = /^(?:transports|docker|example\.org|signedIdentity|caIntermediates\w+|transports\.dir)$/
const OTHER_VALUES: readonly unknown[] = [null, true, 1, '', '&', [], [1], {}, [{}], { type: 'x' }, [null]]

const policyWith = (requirement: unknown): object => ({
  default: [{ type: 'reject' }],
  transports: { docker: { 'example.org': [requirement] } },
})
const isTaken = (text: string): boolean => parsePolicy(Buffer.from(text)).ok

type Spoilt = { readonly what: string; readonly text: string }

/** Every object inside a value, with the text of the document in which a function has rewritten just that object. */
function* spoil(value: unknown, write: (inner: string) => string, path: string): Generator<Spoilt> {
  if (Array.isArray(value)) {
    const items = value.map(item => JSON.stringify(item))
    for (const [index, item] of value.entries()) {
      yield* spoil(item, inner => write(`[${items.with(index, inner).join(',')}]`), `${path}[${index}]`)
    }
    return
  }
  if (typeof value !== 'object' || value === null) return
  const members = Object.entries(value).map(([key, member]) => ({
    key,
    member,
    text: `"${key}":${JSON.stringify(member)}`,
  }))
  const writeAll = (texts: readonly string[]): string => write(`{${texts.join(',')}}`)
  const texts = members.map(({ text }) => text)
  yield { what: `${path}: another key`, text: writeAll([...texts, '"unexpected":1']) }
  yield { what: `${path}: a prototype’s key`, text: writeAll([...texts, '"__proto__":{}']) }
  for (const [index, { key, member, text }] of members.entries()) {
    const at = `${path}.${key}`
    yield { what: `${at} repeated`, text: writeAll([...texts, text]) }
    yield { what: `${at} in another case`, text: writeAll(texts.with(index, text.replace(key, key.toUpperCase()))) }
    if (!MAY_BE_ABSENT.test(key)) yield { what: `${at} deleted`, text: writeAll(texts.toSpliced(index, 1)) }
    for (const other of OTHER_VALUES) {
      yield {
        what: `${at} = ${JSON.stringify(other)}`,
        text: writeAll(texts.with(index, `"${key}":${JSON.stringify(other)}`)),
      }
    }
    yield* spoil(member, inner => writeAll(texts.with(index, `"${key}":${inner}`)), at)
  }
}

/** Spoilt only in looks: what is left means something, and no less than before. */
function isStillValid(name: string, { what }: Spoilt): boolean {
  return (
    // A key is whole without the log, a certificate is not; a certificate of one's own CA has another name to go by.
    (!name.startsWith('fulcio') && /\.rekorPublicKey\w* deleted$/.test(what)) ||
    (name === 'pki' && /\.subject(?:Email|Hostname) deleted$/.test(what)) ||
    // Any text is a path, an issuer, an address or a scope; the empty transport names none.
    /(?:\.\w*Path|oidcIssuer|subjectEmail|subjectHostname) = "&"$/.test(what) ||
    /(?:transports|docker) = \{\}$/.test(what) ||
    // Scopes and transports are free names.
    what === 'policy.transports: a prototype’s key' ||
    /\.(?:docker|example\.org) in another case$/.test(what)
  )
}

t.test('nothing spoilt is taken', async t => {
  for (const [name, requirement] of Object.entries(VALID)) {
    const policy = policyWith(requirement)
    t.equal(isTaken(JSON.stringify(policy)), true, `${name} as it should be`)
    const taken = [...spoil(policy, text => text, 'policy')]
      .filter(spoilt => isTaken(spoilt.text))
      .filter(spoilt => !isStillValid(name, spoilt))
      .map(({ what }) => what)
    t.same(taken, [], name)
  }
})

t.test('a property: no bytes throw, and what is taken has no empty list', async () => {
  const texts = Object.values(VALID).map(requirement => JSON.stringify(policyWith(requirement)))
  const bent = fc.tuple(fc.constantFrom(...texts), fc.nat(), fc.nat(255)).map(([text, at, byte]) => {
    const bytes = Uint8Array.from(Buffer.from(text))
    bytes[at % bytes.length] = byte
    return bytes
  })
  fc.assert(
    fc.property(
      fc.oneof(
        bent,
        fc.uint8Array(),
        fc.json().map(text => Buffer.from(text)),
      ),
      bytes => {
        const parsed = parsePolicy(bytes)
        if (!parsed.ok)
          return parsed.problems.every(({ line, column, message }) => line > 0 && column > 0 && message !== '')
        const lists = [...parsed.value.transports.values()].flatMap(scopes => [...scopes.values()])
        return [parsed.value.default, ...lists].every(requirements => requirements.length > 0)
      },
    ),
    { numRuns: 1000 },
  )
})
