import { ownText } from './own-text.ts'
import { positionAt, type TextPosition } from './text-position.ts'

/**
 * JSON as security documents need it: one reading only. Where `JSON.parse` keeps the last of two equal keys, takes a
 * prototype's name for a key like any other and forgets where a value stood, this parser refuses or remembers.
 * RFC 8259; the strictness is containers/image's ("paranoid" unmarshalling) and case 112 of the attack list.
 */

/** A parsed value that remembers where it began: `at` is an index into the decoded text. */
export type JsonNode =
  | { readonly kind: 'object'; readonly at: number; readonly members: ReadonlyMap<string, JsonMember> }
  | { readonly kind: 'array'; readonly at: number; readonly items: readonly JsonNode[] }
  | { readonly kind: 'string'; readonly at: number; readonly value: string }
  | { readonly kind: 'number'; readonly at: number; readonly text: string }
  | { readonly kind: 'boolean'; readonly at: number; readonly value: boolean }
  | { readonly kind: 'null'; readonly at: number }

export type JsonMember = { readonly keyAt: number; readonly value: JsonNode }

export type JsonLimits = {
  /** Bytes of the whole document. */
  readonly maxBytes: number
  /** Nested arrays and objects. */
  readonly maxDepth: number
}

export type JsonErrorCode = 'TOO_LARGE' | 'NOT_UTF8' | 'SYNTAX' | 'DUPLICATE_KEY' | 'TOO_DEEP'

export class JsonError extends Error {
  override readonly name = 'JsonError'
  readonly code: JsonErrorCode
  readonly position: TextPosition

  constructor(code: JsonErrorCode, message: string, position: TextPosition) {
    super(message)
    this.code = code
    this.position = position
  }
}

export type JsonDocument = { readonly text: string; readonly root: JsonNode }

export const DEFAULT_JSON_LIMITS: JsonLimits = { maxBytes: 4 * 1024 * 1024, maxDepth: 32 }

/**
 * Parses one JSON document.
 *
 * @param bytes the whole document, UTF-8 without a byte order mark
 * @throws JsonError for anything RFC 8259 does not allow, and for duplicate keys, lone surrogates, too much or too deep
 */
export function parseJson(bytes: Uint8Array, limits: JsonLimits = DEFAULT_JSON_LIMITS): JsonDocument {
  const start: TextPosition = { line: 1, column: 1 }
  if (bytes.byteLength > limits.maxBytes) {
    throw new JsonError('TOO_LARGE', `${bytes.byteLength} bytes of JSON are more than ${limits.maxBytes}`, start)
  }
  let text: string
  try {
    // ignoreBOM: a mark stays in the text and is then a syntax error, instead of being dropped unseen (case 40).
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    const error = new JsonError('NOT_UTF8', 'not valid UTF-8', start)
    error.cause = cause
    throw error
  }
  return { text, root: new Parser(text, limits.maxDepth).document() }
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
const HEX4 = /^[0-9a-fA-F]{4}$/
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['"', '"'],
  ['\\', '\\'],
  ['/', '/'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
])

class Parser {
  readonly #text: string
  readonly #maxDepth: number
  #index = 0

  constructor(text: string, maxDepth: number) {
    this.#text = text
    this.#maxDepth = maxDepth
  }

  document(): JsonNode {
    this.#skipSpace()
    const root = this.#value(0)
    this.#skipSpace()
    if (this.#index < this.#text.length) throw this.#syntax('text after the end of the document')
    return root
  }

  #value(depth: number): JsonNode {
    const at = this.#index
    switch (this.#text.charAt(at)) {
      case '{':
        return this.#object(depth + 1)
      case '[':
        return this.#array(depth + 1)
      case '"':
        return { kind: 'string', at, value: this.#string() }
      case 't':
        return this.#word('true', { kind: 'boolean', at, value: true })
      case 'f':
        return this.#word('false', { kind: 'boolean', at, value: false })
      case 'n':
        return this.#word('null', { kind: 'null', at })
      default:
        return this.#number()
    }
  }

  #object(depth: number): JsonNode {
    const at = this.#enter(depth)
    const members = new Map<string, JsonMember>()
    if (this.#take('}')) return { kind: 'object', at, members }
    do {
      this.#skipSpace()
      const keyAt = this.#index
      if (this.#text[keyAt] !== '"') throw this.#syntax('expected a key in double quotes')
      const key = this.#string()
      if (members.has(key)) throw this.#error('DUPLICATE_KEY', `the key ${JSON.stringify(key)} is repeated`, keyAt)
      this.#skipSpace()
      if (!this.#take(':')) throw this.#syntax('expected ":" after a key')
      this.#skipSpace()
      members.set(key, { keyAt, value: this.#value(depth) })
      this.#skipSpace()
    } while (this.#take(','))
    if (!this.#take('}')) throw this.#syntax('expected "," or "}"')
    return { kind: 'object', at, members }
  }

  #array(depth: number): JsonNode {
    const at = this.#enter(depth)
    const items: JsonNode[] = []
    if (this.#take(']')) return { kind: 'array', at, items }
    do {
      this.#skipSpace()
      items.push(this.#value(depth))
      this.#skipSpace()
    } while (this.#take(','))
    if (!this.#take(']')) throw this.#syntax('expected "," or "]"')
    return { kind: 'array', at, items }
  }

  #enter(depth: number): number {
    if (depth > this.#maxDepth) throw this.#error('TOO_DEEP', `nested deeper than ${this.#maxDepth}`, this.#index)
    const at = this.#index
    this.#index += 1
    this.#skipSpace()
    return at
  }

  #string(): string {
    const text = this.#text
    const first = this.#index + 1
    let index = first
    for (;;) {
      const code = text.charCodeAt(index)
      if (code === QUOTE) {
        this.#index = index + 1
        return ownText(text.slice(first, index))
      }
      if (code === BACKSLASH) return this.#escapedString(first, index)
      if (Number.isNaN(code)) throw this.#error('SYNTAX', 'a string without its closing quote', first - 1)
      if (code < 0x20) throw this.#error('SYNTAX', 'a control character in a string', index)
      index += 1
    }
  }

  #escapedString(first: number, firstBackslash: number): string {
    const text = this.#text
    let value = text.slice(first, firstBackslash)
    let index = firstBackslash
    for (;;) {
      const char = text[index]
      if (char === undefined) throw this.#error('SYNTAX', 'a string without its closing quote', first - 1)
      if (char === '"') break
      if (char < ' ') throw this.#error('SYNTAX', 'a control character in a string', index)
      if (char !== '\\') {
        value += char
        index += 1
        continue
      }
      const escape = text[index + 1] ?? ''
      if (escape === 'u') {
        const digits = text.slice(index + 2, index + 6)
        if (!HEX4.test(digits)) throw this.#error('SYNTAX', 'expected four hex digits after \\u', index)
        value += String.fromCharCode(Number.parseInt(digits, 16))
        index += 6
        continue
      }
      const plain = ESCAPES.get(escape)
      if (plain === undefined) throw this.#error('SYNTAX', 'an unknown escape in a string', index)
      value += plain
      index += 2
    }
    // Two texts that differ only in lone surrogates are one text once written as UTF-8 again.
    if (!value.isWellFormed()) throw this.#error('SYNTAX', 'a lone surrogate in a string', first - 1)
    this.#index = index + 1
    return value
  }

  #number(): JsonNode {
    const at = this.#index
    NUMBER.lastIndex = at
    const text = NUMBER.exec(this.#text)?.[0]
    if (text === undefined)
      throw this.#syntax(at >= this.#text.length ? 'the document ends too early' : 'expected a value')
    this.#index = at + text.length
    return { kind: 'number', at, text }
  }

  #word(word: string, node: JsonNode): JsonNode {
    if (!this.#text.startsWith(word, this.#index)) throw this.#syntax('expected a value')
    this.#index += word.length
    return node
  }

  #skipSpace(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#index)
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return
      this.#index += 1
    }
  }

  #take(char: string): boolean {
    if (this.#text[this.#index] !== char) return false
    this.#index += 1
    return true
  }

  #syntax(message: string): JsonError {
    return this.#error('SYNTAX', message, this.#index)
  }

  #error(code: JsonErrorCode, message: string, index: number): JsonError {
    return new JsonError(code, message, positionAt(this.#text, index))
  }
}
