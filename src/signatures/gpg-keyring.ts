import { config, enums, readKeys, unarmor, type Config, type Key, type PublicKey } from 'openpgp'
import { PACKET_TAGS, scanPackets } from './openpgp-packets.ts'
import { TrustMaterialError } from './trust-material-error.ts'

/** The keys that one `signedBy` requirement trusts: a signature by any of them will do. */
export type GpgKeyring = {
  /** For people: `release.gpg`, `kbs:///default/gpg-public-config/test`. */
  readonly name: string
  readonly keys: readonly PublicKey[]
  /** Full fingerprints of the primary keys, lower-case hex, in the order of `keys`. */
  readonly fingerprints: readonly string[]
}

/**
 * What openpgp.js may take, written out so that no change of its defaults or its global settings decides (case 82).
 * Messages signed over MD5, RIPEMD-160 or SHA-1 are refused. A key's own self-signatures may use SHA-1: many release
 * keys are older than its fall, and a file of the policy's owner says that they are meant.
 */
export const GPG_CONFIG: Config = {
  ...config,
  // GnuPG has made moduli of one bit less than was asked for.
  minRSABits: 2047,
  rejectHashAlgorithms: new Set([enums.hash.md5, enums.hash.ripemd]),
  rejectMessageHashAlgorithms: new Set([enums.hash.md5, enums.hash.ripemd, enums.hash.sha1]),
  rejectPublicKeyAlgorithms: new Set([enums.publicKey.elgamal, enums.publicKey.dsa]),
  rejectCurves: new Set([enums.curve.secp256k1]),
  allowMissingKeyFlags: false,
  allowInsecureVerificationWithReformattedKeys: false,
  ignoreMalformedPackets: false,
  ignoreUnsupportedPackets: true,
  enforceGrammar: true,
  additionalAllowedPackets: [],
  knownNotations: [],
  // Nothing compressed reaches the library: gpg-message.ts has opened it.
  maxDecompressedMessageSize: 0,
}

/** A distribution's whole keyring has some ten thousand. */
const MAX_PACKETS = 100_000
const SIGNING_ALGORITHMS: ReadonlySet<string> = new Set([
  'rsaEncryptSign',
  'rsaSign',
  'ecdsa',
  'eddsaLegacy',
  'ed25519',
  'ed448',
])

const CURVES: ReadonlySet<string> = new Set(['ed25519Legacy', 'nistP256', 'nistP384', 'nistP521'])

/**
 * Reads keyrings as GnuPG exports them, binary or in ASCII armor (with any text around the blocks, as release keys have
 * it). All keys in all of them are trusted, as by containers/image (case 83). One that is in several files is one key,
 * with the revocations of all of them. Expired and revoked keys are no error here: what they signed is refused.
 *
 * @param blobs the contents of the files, or of keyData
 * @param name how messages call the keyring
 * @throws TrustMaterialError EMPTY without keys; PRIVATE_KEY; MALFORMED; UNSUPPORTED for a key of a version or kind that
 *   cannot sign here, WEAK for DSA, RSA below 2048 bits and secp256k1: a key dropped in silence is a signer refused in
 *   silence (case 49)
 */
export async function parseGpgKeyring(blobs: readonly Uint8Array[], name: string): Promise<GpgKeyring> {
  const keys = new Map<string, PublicKey>()
  for (const blob of blobs) {
    for (const block of await blocksOf(blob, name)) {
      for (const key of await readBlock(block, name)) {
        const known = keys.get(key.getFingerprint())
        keys.set(key.getFingerprint(), known === undefined ? key : await known.update(key))
      }
    }
  }
  if (keys.size === 0) throw new TrustMaterialError('EMPTY', `${name} holds no OpenPGP public key`)
  return { name, keys: [...keys.values()], fingerprints: [...keys.keys()] }
}

const ARMOR_BEGIN = '-----BEGIN PGP PUBLIC KEY BLOCK-----'
const ARMOR_END = '-----END PGP PUBLIC KEY BLOCK-----'

/** The binary keyrings in a file: the file itself, or its armored blocks. */
async function blocksOf(blob: Uint8Array, name: string): Promise<readonly Uint8Array[]> {
  const [first] = blob
  if (first !== undefined && (first & 0x80) !== 0) return [blob]
  const text = Buffer.from(blob).toString('latin1')
  if (text.trim() === '') return []
  if (/-----BEGIN PGP (?:PRIVATE|SECRET) KEY BLOCK-----/.test(text)) throw privateKey(name)
  const blocks: Uint8Array[] = []
  let at = text.indexOf(ARMOR_BEGIN)
  if (at === -1) throw new TrustMaterialError('MALFORMED', `${name} is not an OpenPGP keyring`)
  while (at !== -1) {
    const end = text.indexOf(ARMOR_END, at)
    const next = text.indexOf(ARMOR_BEGIN, at + ARMOR_BEGIN.length)
    if (end === -1 || (next !== -1 && next < end)) {
      throw new TrustMaterialError('MALFORMED', `${name} has an armored block without its end`)
    }
    blocks.push(await readArmor(text.slice(at, end + ARMOR_END.length), name))
    at = next
  }
  return blocks
}

async function readArmor(block: string, name: string): Promise<Uint8Array> {
  let data: unknown
  try {
    data = (await unarmor(block)).data
  } catch (cause) {
    throw new TrustMaterialError('MALFORMED', `${name} has a broken armored block`, { cause })
  }
  if (!(data instanceof Uint8Array)) throw new Error('openpgp.js gave a stream for a string')
  return data
}

async function readBlock(block: Uint8Array, name: string): Promise<readonly PublicKey[]> {
  const packets = scanPackets(block, MAX_PACKETS)
  if (packets === undefined) throw new TrustMaterialError('MALFORMED', `${name} is not a whole OpenPGP keyring`)
  if (packets.some(({ tag }) => tag === PACKET_TAGS.secretKey || tag === PACKET_TAGS.secretSubkey)) {
    throw privateKey(name)
  }
  const primaries = packets.filter(({ tag }) => tag === PACKET_TAGS.publicKey).length
  if (primaries === 0) return []
  let keys: readonly Key[]
  try {
    keys = await readKeys({ binaryKeys: block, config: GPG_CONFIG })
  } catch (cause) {
    throw new TrustMaterialError('MALFORMED', `${name} holds a key that cannot be read`, { cause })
  }
  // The library passes over keys of versions and algorithms that it does not know.
  if (keys.length !== primaries) {
    const missing = primaries - keys.length
    throw new TrustMaterialError('UNSUPPORTED', `${name} holds ${missing} of ${primaries} keys of an unsupported kind`)
  }
  return keys.map(key => {
    checkStrength(key, name)
    return key.toPublic()
  })
}

function checkStrength(key: Key, name: string): void {
  const { algorithm, bits, curve } = key.getAlgorithmInfo()
  const which = `${key.getFingerprint().toUpperCase()} in ${name}`
  if (algorithm === 'dsa') throw new TrustMaterialError('WEAK', `the key ${which} is a DSA key`)
  if (!SIGNING_ALGORITHMS.has(algorithm)) {
    throw new TrustMaterialError('UNSUPPORTED', `the key ${which} is of the kind ${algorithm}, which cannot sign`)
  }
  if (bits !== undefined && bits < GPG_CONFIG.minRSABits) {
    throw new TrustMaterialError('WEAK', `the key ${which} is an RSA key of ${bits} bits; 2048 is the least`)
  }
  if (curve === 'secp256k1') throw new TrustMaterialError('WEAK', `the key ${which} is on the curve secp256k1`)
  // Brainpool curves would need a module that openpgp.js does not bring: no signature would ever verify.
  if (curve !== undefined && !CURVES.has(curve)) {
    throw new TrustMaterialError('UNSUPPORTED', `the key ${which} is on the curve ${curve}, which is not supported`)
  }
}

function privateKey(name: string): TrustMaterialError {
  return new TrustMaterialError('PRIVATE_KEY', `${name} holds a private key; only the public key belongs here`)
}
