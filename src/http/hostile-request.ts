import type { IncomingMessage } from 'node:http'

/**
 * Why a request is refused before it is parsed, if it is: what two readers of HTTP could understand differently has no
 * business in front of a gate. Cases 135, 137, 138 and 139; llhttp refuses most of the rest by itself.
 */
export function hostileRequest(request: IncomingMessage): string | undefined {
  if (request.httpVersion !== '1.1') return 'HTTP/1.1 is needed'
  if (request.url?.startsWith('/') !== true) return 'the request target must be in origin form'
  let hosts = 0
  const { rawHeaders } = request
  for (let index = 0; index < rawHeaders.length; index += 2) {
    switch (rawHeaders[index]?.toLowerCase()) {
      case 'host':
        if (rawHeaders[index + 1] === '') return 'the Host header is empty'
        hosts += 1
        break
      case 'transfer-encoding':
        if (rawHeaders[index + 1]?.trim().toLowerCase() !== 'chunked')
          return 'no transfer encoding but chunked is taken'
        if (isBodiless(request)) return 'GET and HEAD take no body'
        break
      case 'content-length':
        if (isBodiless(request) && rawHeaders[index + 1] !== '0') return 'GET and HEAD take no body'
        break
      case undefined:
      default:
        break
    }
  }
  return hosts === 1 ? undefined : 'exactly one Host header is needed'
}

function isBodiless(request: IncomingMessage): boolean {
  return request.method === 'GET' || request.method === 'HEAD'
}
