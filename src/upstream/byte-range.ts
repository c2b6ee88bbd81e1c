export type ByteRange = { readonly first: number; readonly last: number }

/**
 * What one range means for a blob of `size` bytes. RFC 9110 section 14.1.2.
 *
 * @param range `bytes=0-9`, `bytes=5-` or `bytes=-3`
 */
export function resolveRange(range: string, size: number): ByteRange | 'unsatisfiable' {
  const match = /^bytes=([0-9]*)-([0-9]*)$/.exec(range)
  const [, from = '', to = ''] = match ?? []
  if (from === '') {
    const length = Math.min(Number(to), size)
    return to === '' || length === 0 ? 'unsatisfiable' : { first: size - length, last: size - 1 }
  }
  const first = Number(from)
  const last = to === '' ? size - 1 : Math.min(Number(to), size - 1)
  return first >= size || last < first ? 'unsatisfiable' : { first, last }
}
