import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A certificate authority of the test's own, made with openssl in a directory that the test removes. */
export type Authority = {
  /** PEM file. */
  readonly file: string
  readonly pem: string
  /** A server's certificate for 127.0.0.1 and localhost, or a client's: both are good for either. */
  readonly issue: (commonName: string) => Issued
}

export type Issued = {
  readonly certFile: string
  readonly keyFile: string
  readonly cert: string
  readonly key: string
}

const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

export function createAuthority(directory: string, name: string): Authority {
  const file = join(directory, `${name}.pem`)
  const keyFile = join(directory, `${name}.key`)
  openssl('req', '-x509', ...EC, '-keyout', keyFile, '-out', file, '-days', '2', '-subj', `/CN=${name}`)
  return {
    file,
    pem: readFileSync(file, 'utf8'),
    issue(commonName) {
      const at = (ending: string): string => join(directory, `${name}-${commonName}.${ending}`)
      const alternative = ['-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost']
      openssl('req', ...EC, '-keyout', at('key'), '-out', at('csr'), '-subj', `/CN=${commonName}`, ...alternative)
      const by = ['-CA', file, '-CAkey', keyFile, '-CAcreateserial', '-copy_extensions', 'copy']
      openssl('x509', '-req', '-in', at('csr'), '-out', at('crt'), '-days', '2', ...by)
      const read = (ending: string): string => readFileSync(at(ending), 'utf8')
      return { certFile: at('crt'), keyFile: at('key'), cert: read('crt'), key: read('key') }
    },
  }
}

function openssl(...args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: 'pipe' })
}
