/**
 * A text, or a pattern for texts, of a certificate: an identity provider's URL, a workflow's URI, an e-mail address.
 *
 * Patterns are no regular expressions, which are too easily left unanchored or unescaped (case 20) and can take for ever.
 * A pattern is always held against the whole text; `*` stands for any run of characters but `/`, `**` for any run with
 * `/`; neither stands for `@`, `?` or `#`, so that nobody names a branch or a path like the end of a pattern. All else
 * stands for itself.
 */
export type TextMatcher =
  { readonly kind: 'exact'; readonly text: string } | { readonly kind: 'pattern'; readonly pattern: string }

const PRINTABLE = /^[\x21-\x7e]+$/
const MAX_PATTERN = 512
/** Longer texts match no pattern; together with MAX_PATTERN this bounds the work. */
const MAX_TEXT = 4096
const URL_AUTHORITY = /^[a-z][a-z0-9+.-]*:\/\/[^/*]+(?:\/|$)/
const EMAIL_DOMAIN = /^[^@/]+@[^@*/]+$/

export type NameType = 'uri' | 'email'

/** What kind of name a text or pattern is for: a URI says its scheme, an e-mail address has an `@` and no scheme. */
export function nameTypeOf(text: string): NameType | undefined {
  if (/^[a-z][a-z0-9+.-]*:\/\//.test(text)) return 'uri'
  return EMAIL_DOMAIN.test(text) ? 'email' : undefined
}

/** What is wrong with a text that is to be compared exactly. */
export function exactProblem(text: string): string | undefined {
  return PRINTABLE.test(text) ? undefined : 'must be printable ASCII without spaces'
}

/**
 * What is wrong with a pattern. It must say scheme and host of a URI, or the domain of an e-mail address, in full: a
 * wildcard there would let anybody's host in.
 */
export function patternProblem(pattern: string): string | undefined {
  if (!PRINTABLE.test(pattern)) return 'must be printable ASCII without spaces'
  if (pattern.length > MAX_PATTERN) return `has ${pattern.length} characters, more than ${MAX_PATTERN}`
  if (pattern.includes('***')) return 'has *** in it; * and ** are the wildcards'
  if (!pattern.includes('*')) return 'has no wildcard; write it as an exact text'
  if (URL_AUTHORITY.test(pattern) || (nameTypeOf(pattern) === 'email' && EMAIL_DOMAIN.test(pattern))) return undefined
  return 'must name scheme and host, or the domain of an e-mail address, without a wildcard'
}

/** Whether a text is the one, or as a whole one of those, that a matcher is for. Case matters. */
export function matchesText(matcher: TextMatcher, text: string): boolean {
  switch (matcher.kind) {
    case 'exact':
      return text === matcher.text
    case 'pattern':
      return text.length <= MAX_TEXT && matchesPattern(matcher.pattern, text)
  }
}

/** One pass over the pattern that keeps how far into the text it may have come; never more than pattern × text steps. */
function matchesPattern(pattern: string, text: string): boolean {
  let reached: readonly boolean[] = Array.from({ length: text.length + 1 }, (_, index) => index === 0)
  for (const token of pattern.match(/\*\*|[^]/g) ?? []) {
    const next: boolean[] = []
    for (let index = 0; index <= text.length; index += 1) {
      const before = index > 0 ? text.charAt(index - 1) : undefined
      if (token === '*' || token === '**') {
        const goesOn = before !== undefined && next[index - 1] === true && mayStandFor(token, before)
        next[index] = reached[index] === true || goesOn
      } else {
        next[index] = before === token && reached[index - 1] === true
      }
    }
    reached = next
  }
  return reached[text.length] === true
}

function mayStandFor(wildcard: '*' | '**', character: string): boolean {
  if (character === '@' || character === '?' || character === '#') return false
  return wildcard === '**' || character !== '/'
}
