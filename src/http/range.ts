/** One byte range that an upstream may be asked for. RFC 9110 section 14.1.2. */
const SINGLE_RANGE = /^bytes=(?:[0-9]{1,15}-[0-9]{0,15}|-[0-9]{1,15})$/

/**
 * The Range header to hand on, in one spelling. Several ranges, other units and nonsense are ignored, as RFC 9110 allows
 * a server to: the whole blob is the answer then.
 */
export function parseRange(header: string | undefined): string | undefined {
  const text = header?.replace(/\s+/g, '')
  if (text === undefined || !SINGLE_RANGE.test(text)) return undefined
  const match = /^bytes=([0-9]+)-([0-9]+)$/.exec(text)
  return match !== null && Number(match[1]) > Number(match[2]) ? undefined : text
}
