import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { alternativeNames, authority, extendedKeyUsage, issue, keyUsage, pem, type KeyPair } from './x509.ts'

/** A certificate authority for TLS, in files of a directory that the test removes. */
export type Authority = {
  /** PEM file. */
  readonly file: string
  readonly pem: string
  /** A server's certificate for 127.0.0.1, localhost and `names`, or a client's: both are good for either. */
  readonly issue: (commonName: string, names?: readonly string[]) => Issued
}

export type Issued = {
  readonly certFile: string
  readonly keyFile: string
  readonly cert: string
  readonly key: string
}

const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'

export function createAuthority(directory: string, name: string): Authority {
  const ca = authority(name)
  const file = join(directory, `${name}.pem`)
  writeFileSync(file, pem(ca))
  return {
    file,
    pem: pem(ca),
    issue(commonName, names = []) {
      const extensions = [
        keyUsage(0x80),
        extendedKeyUsage(SERVER_AUTH, CLIENT_AUTH),
        alternativeNames({ ip: [127, 0, 0, 1] }, { dns: 'localhost' }, ...names.map(dns => ({ dns }))),
      ]
      const issued = issue({ subject: commonName, issuer: ca, extensions })
      const [certFile, keyFile] = [
        join(directory, `${name}-${commonName}.crt`),
        join(directory, `${name}-${commonName}.key`),
      ]
      const [cert, key] = [pem(issued), privatePem(issued.keys)]
      writeFileSync(certFile, cert)
      writeFileSync(keyFile, key, { mode: 0o600 })
      return { certFile, keyFile, cert, key }
    },
  }
}

function privatePem({ privateKey }: KeyPair): string {
  return privateKey.export({ type: 'pkcs8', format: 'pem' })
}
