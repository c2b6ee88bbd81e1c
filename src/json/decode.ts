import { JsonError, parseJson, type JsonLimits, type JsonNode } from './strict-json.ts'
import { positionsAt, type TextPosition } from './text-position.ts'

/** One thing wrong with a document: where (JSON path, line, column) and what. */
export type Problem = TextPosition & { readonly path: string; readonly message: string }

export type Decoded<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problems: readonly [Problem, ...Problem[]] }

/** Problems that are told one by one. A hostile document may have one for every few of its bytes. */
const MAX_TOLD = 100

/**
 * Parses a document and hands its root to `decode`. The problems are collected, so that a reader can mend a file in one
 * go; after the first hundred they are only counted. A document with any problem has no value.
 *
 * @param decode returns undefined exactly when it (or what it called) has reported a problem
 */
export function decodeJson<T>(
  bytes: Uint8Array,
  decode: (root: JsonCursor) => T | undefined,
  limits?: JsonLimits,
): Decoded<T> {
  let document
  try {
    document = parseJson(bytes, limits)
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    return { ok: false, problems: [{ path: '', message: error.message, ...error.position }] }
  }
  const found = new FoundProblems()
  const value = decode(new JsonCursor(document.root, () => '', found))
  const [first, ...others] = found.told(document.text)
  if (first !== undefined) return { ok: false, problems: [first, ...others] }
  if (value === undefined) throw new Error('a decoder gave up without naming a problem')
  return { ok: true, value }
}

/** What cursors report to. Lines are counted once at the end: for each problem again, they would cost n² in the worst case. */
class FoundProblems {
  readonly #kept: { readonly path: string; readonly message: string; readonly at: number }[] = []
  #count = 0

  get count(): number {
    return this.#count
  }

  add(problem: { readonly path: string; readonly message: string; readonly at: number }): void {
    this.#count += 1
    if (this.#kept.length <= MAX_TOLD) this.#kept.push(problem)
  }

  told(text: string): readonly Problem[] {
    const positions = positionsAt(
      text,
      this.#kept.map(({ at }) => at),
    )
    return this.#kept.map(({ path, message, at }, index) => {
      const position = positions.get(at) ?? { line: 1, column: 1 }
      return index < MAX_TOLD
        ? { path, message, ...position }
        : { path: '', message: `and ${this.#count - MAX_TOLD} more problems`, ...position }
    })
  }
}

/** `transports.docker["quay.io"][0]: unknown key "keypath" (line 4, column 9)` */
export function formatProblem(problem: Problem): string {
  const where = problem.path === '' ? '' : `${problem.path}: `
  return `${where}${problem.message} (line ${problem.line}, column ${problem.column})`
}

const PLAIN_KEY = /^[A-Za-z_][A-Za-z0-9_-]*$/
/** A scope is at most this long and is told whole; only a hostile key is longer. */
const MAX_KEY_TOLD = 512
const INTEGER = /^(?:0|-?[1-9][0-9]*)$/

export type ExactObject<Required extends string, Optional extends string> = {
  readonly [K in Required]: JsonCursor
} & { readonly [K in Optional]?: JsonCursor }

function hasKeys<Required extends string, Optional extends string>(
  found: Readonly<Record<string, JsonCursor>>,
  required: readonly Required[],
): found is ExactObject<Required, Optional> {
  return required.every(key => key in found)
}

/** A value in a document, with its path, that reports problems instead of throwing them. */
export class JsonCursor {
  readonly node: JsonNode
  readonly #path: () => string
  readonly #problems: FoundProblems

  constructor(node: JsonNode, path: () => string, problems: FoundProblems) {
    this.node = node
    this.#path = path
    this.#problems = problems
  }

  /** `transports.docker["quay.io"][0]`. Made when it is asked for: most values have no problem. */
  get path(): string {
    return this.#path()
  }

  /** Reports a problem with this value, and is the `undefined` that a decoder returns then. */
  fail(message: string, at: number = this.node.at): undefined {
    this.#problems.add({ path: this.path, message, at })
    return undefined
  }

  /** How many problems have been reported in the whole document so far. */
  get problemCount(): number {
    return this.#problems.count
  }

  string(): string | undefined {
    if (this.node.kind === 'string') return this.node.value
    return this.fail(`expected a string, found ${describe(this.node)}`)
  }

  nonEmptyString(): string | undefined {
    const value = this.string()
    return value === '' ? this.fail('must not be empty') : value
  }

  boolean(): boolean | undefined {
    if (this.node.kind === 'boolean') return this.node.value
    return this.fail(`expected true or false, found ${describe(this.node)}`)
  }

  /** A whole number from `min` to `max`; 1.0, 1e3 and numbers a double cannot hold are refused (case 114). */
  integer(min: number, max: number = Number.MAX_SAFE_INTEGER): number | undefined {
    if (this.node.kind !== 'number') return this.fail(`expected a number, found ${describe(this.node)}`)
    if (!INTEGER.test(this.node.text)) return this.fail(`expected a whole number, found ${clip(this.node.text)}`)
    const value = Number(this.node.text)
    if (!Number.isSafeInteger(value) || value < min || value > max) {
      return this.fail(`expected a whole number from ${min} to ${max}, found ${clip(this.node.text)}`)
    }
    return value
  }

  items(): readonly JsonCursor[] | undefined {
    if (this.node.kind !== 'array') return this.fail(`expected an array, found ${describe(this.node)}`)
    return this.node.items.map((item, index) => this.#child(item, () => `${this.path}[${index}]`))
  }

  /** The members of an object whose keys are free to choose. */
  entries(): readonly (readonly [string, JsonCursor])[] | undefined {
    if (this.node.kind !== 'object') return this.fail(`expected an object, found ${describe(this.node)}`)
    return [...this.node.members].map(([key, member]) => [
      key,
      this.#child(member.value, () => joinPath(this.path, key)),
    ])
  }

  /** One member of an object that may have others; undefined where it is absent. */
  member(key: string): JsonCursor | undefined {
    if (this.node.kind !== 'object') return undefined
    const member = this.node.members.get(key)
    return member && this.#child(member.value, () => joinPath(this.path, key))
  }

  /**
   * An object with exactly these keys: an unknown key is a problem (it would be a typo that weakens a policy), and so is
   * a missing one.
   */
  object<Required extends string, Optional extends string = never>(keys: {
    readonly required: readonly Required[]
    readonly optional?: readonly Optional[]
  }): ExactObject<Required, Optional> | undefined {
    if (this.node.kind !== 'object') return this.fail(`expected an object, found ${describe(this.node)}`)
    const before = this.problemCount
    const known: readonly string[] = [...keys.required, ...(keys.optional ?? [])]
    const found: Record<string, JsonCursor> = Object.create(null)
    for (const [key, member] of this.node.members) {
      if (known.includes(key)) found[key] = this.#child(member.value, () => joinPath(this.path, key))
      else this.fail(`unknown key ${JSON.stringify(clip(key))}`, member.keyAt)
    }
    for (const key of keys.required) {
      if (!(key in found)) this.fail(`missing key ${JSON.stringify(key)}`)
    }
    return this.problemCount === before && hasKeys<Required, Optional>(found, keys.required) ? found : undefined
  }

  #child(node: JsonNode, path: () => string): JsonCursor {
    return new JsonCursor(node, path, this.#problems)
  }
}

function joinPath(path: string, key: string): string {
  if (key.length > MAX_KEY_TOLD || !PLAIN_KEY.test(key)) return `${path}[${JSON.stringify(clip(key, MAX_KEY_TOLD))}]`
  return path === '' ? key : `${path}.${key}`
}

function describe(node: JsonNode): string {
  switch (node.kind) {
    case 'object':
    case 'array':
      return `an ${node.kind}`
    case 'string':
      return `the string ${JSON.stringify(clip(node.value))}`
    case 'number':
      return `the number ${clip(node.text)}`
    case 'boolean':
      return String(node.value)
    case 'null':
      return 'null'
  }
}

function clip(text: string, length: number = 40): string {
  return text.length <= length ? text : `${text.slice(0, length)}…`
}
