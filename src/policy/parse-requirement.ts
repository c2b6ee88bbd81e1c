import type { JsonCursor } from '../json/decode.ts'
import { materialIn, type MaterialFields } from './parse-material.ts'
import { decodeSignedIdentity } from './parse-signed-identity.ts'
import { decodeSigstoreIdentity, SIGSTORE_IDENTITY_TYPE } from './sigstore-identity-requirement.ts'
import type { Requirement, Requirements, SigstoreSigner } from './policy.ts'

/** A list of requirements: never empty, for an empty list would be met by anything (case 88). */
export function decodeRequirements(cursor: JsonCursor): Requirements | undefined {
  const items = cursor.items()
  if (items === undefined) return undefined
  if (items.length === 0) return cursor.fail('a list of requirements must not be empty')
  const decoded = items.map(decodeRequirement)
  const [first, ...others] = decoded.filter(requirement => requirement !== undefined)
  return first !== undefined && others.length + 1 === items.length ? [first, ...others] : undefined
}

function decodeRequirement(cursor: JsonCursor): Requirement | undefined {
  if (cursor.entries() === undefined) return undefined
  const typeCursor = cursor.member('type')
  if (typeCursor === undefined) return cursor.fail('missing key "type"')
  const type = typeCursor.string()
  switch (type) {
    case undefined:
      return undefined
    case 'insecureAcceptAnything':
    case 'reject':
      return cursor.object({ required: ['type'] }) && { type }
    case 'signedBaseLayer': {
      const base = cursor.object({ required: ['type', 'baseLayerIdentity'] })?.baseLayerIdentity
      return base && decodeSignedIdentity(base) && { type }
    }
    case 'signedBy':
      return decodeSignedBy(cursor)
    case 'sigstoreSigned':
      return decodeSigstoreSigned(cursor)
    case SIGSTORE_IDENTITY_TYPE:
      return decodeSigstoreIdentity(cursor)
    default:
      return typeCursor.fail(`there is no requirement type ${JSON.stringify(type)}`)
  }
}

const GPG_KEYS = { name: 'key', one: 'keyPath', many: 'keyPaths', data: 'keyData' } as const satisfies MaterialFields
const KEY_TYPES = ['GPGKeys', 'signedByGPGKeys', 'X509Certificates', 'signedByX509CAs'] as const

function decodeSignedBy(cursor: JsonCursor): Requirement | undefined {
  const fields = cursor.object({
    required: ['type', 'keyType'],
    optional: ['keyPath', 'keyPaths', 'keyData', 'signedIdentity'],
  })
  if (fields === undefined) return undefined
  const keyTypeText = fields.keyType.string()
  const keyType = KEY_TYPES.find(known => known === keyTypeText)
  if (keyTypeText !== undefined && keyType === undefined) fields.keyType.fail(`must be one of ${KEY_TYPES.join(', ')}`)
  const keyring = materialIn(cursor, fields, GPG_KEYS, 'required')
  const signedIdentity =
    fields.signedIdentity === undefined
      ? ({ type: 'matchRepoDigestOrExact' } as const)
      : decodeSignedIdentity(fields.signedIdentity)
  if (keyType === undefined || keyring === undefined || signedIdentity === undefined) return undefined
  return { type: 'signedBy', keyType, keyring, signedIdentity }
}

const SIGSTORE_KEYS = {
  name: 'key',
  one: 'keyPath',
  many: 'keyPaths',
  data: 'keyData',
  manyData: 'keyDatas',
} as const satisfies MaterialFields
const REKOR_KEYS = {
  name: 'Rekor key',
  one: 'rekorPublicKeyPath',
  many: 'rekorPublicKeyPaths',
  data: 'rekorPublicKeyData',
  manyData: 'rekorPublicKeyDatas',
} as const satisfies MaterialFields

function decodeSigstoreSigned(cursor: JsonCursor): Requirement | undefined {
  const fields = cursor.object({
    required: ['type'],
    optional: [
      'keyPath',
      'keyPaths',
      'keyData',
      'keyDatas',
      'fulcio',
      'pki',
      'rekorPublicKeyPath',
      'rekorPublicKeyPaths',
      'rekorPublicKeyData',
      'rekorPublicKeyDatas',
      'signedIdentity',
    ],
  })
  if (fields === undefined) return undefined
  const before = cursor.problemCount
  const signedIdentity = fields.signedIdentity && decodeSignedIdentity(fields.signedIdentity)
  const keys = materialIn(cursor, fields, SIGSTORE_KEYS, 'optional')
  const rekorKeys = materialIn(cursor, fields, REKOR_KEYS, 'optional')
  const fulcio = fields.fulcio && decodeFulcio(fields.fulcio)
  const pki = fields.pki && decodePki(fields.pki)
  if (cursor.problemCount > before) return undefined

  const signers: SigstoreSigner[] = []
  if (keys !== undefined) signers.push({ by: 'keys', keys, rekorKeys })
  if (fulcio !== undefined) {
    if (rekorKeys === undefined)
      return cursor.fail(
        'fulcio needs a rekorPublicKey…: a certificate is short-lived, and only a log tells when it was used',
      )
    signers.push({ by: 'fulcio', ...fulcio, rekorKeys })
  }
  if (pki !== undefined) {
    if (rekorKeys !== undefined) return cursor.fail('rekorPublicKey… cannot be combined with pki')
    signers.push({ by: 'pki', ...pki })
  }
  const [signer, another] = signers
  if (signer === undefined || another !== undefined) {
    return cursor.fail('exactly one of keyPath, keyPaths, keyData, keyDatas, fulcio and pki is needed')
  }
  return { type: 'sigstoreSigned', signer, signedIdentity }
}

const FULCIO_CA = { name: 'CA', one: 'caPath', data: 'caData' } as const satisfies MaterialFields

function decodeFulcio(
  cursor: JsonCursor,
): Omit<Extract<SigstoreSigner, { by: 'fulcio' }>, 'by' | 'rekorKeys'> | undefined {
  const fields = cursor.object({ required: ['oidcIssuer', 'subjectEmail'], optional: ['caPath', 'caData'] })
  if (fields === undefined) return undefined
  const ca = materialIn(cursor, fields, FULCIO_CA, 'required')
  const oidcIssuer = fields.oidcIssuer.nonEmptyString()
  const subjectEmail = fields.subjectEmail.nonEmptyString()
  return ca !== undefined && oidcIssuer !== undefined && subjectEmail !== undefined
    ? { ca, oidcIssuer, subjectEmail }
    : undefined
}

const PKI_ROOTS = { name: 'CA root', one: 'caRootsPath', data: 'caRootsData' } as const satisfies MaterialFields
const PKI_INTERMEDIATES = {
  name: 'CA intermediate',
  one: 'caIntermediatesPath',
  data: 'caIntermediatesData',
} as const satisfies MaterialFields

function decodePki(cursor: JsonCursor): Omit<Extract<SigstoreSigner, { by: 'pki' }>, 'by'> | undefined {
  const fields = cursor.object({
    required: [],
    optional: [
      'caRootsPath',
      'caRootsData',
      'caIntermediatesPath',
      'caIntermediatesData',
      'subjectEmail',
      'subjectHostname',
    ],
  })
  if (fields === undefined) return undefined
  const before = cursor.problemCount
  const caRoots = materialIn(cursor, fields, PKI_ROOTS, 'required')
  const caIntermediates = materialIn(cursor, fields, PKI_INTERMEDIATES, 'optional')
  const subjectEmail = fields.subjectEmail?.nonEmptyString()
  const subjectHostname = fields.subjectHostname?.nonEmptyString()
  if (cursor.problemCount > before || caRoots === undefined) return undefined
  if (subjectEmail === undefined && subjectHostname === undefined) {
    return cursor.fail('at least one of subjectEmail and subjectHostname is needed')
  }
  return { caRoots, caIntermediates, subjectEmail, subjectHostname }
}
