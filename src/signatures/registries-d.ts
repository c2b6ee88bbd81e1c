import { isMap, isScalar, LineCounter, parseDocument, type YAMLMap } from 'yaml'
import type { Problem } from '../json/decode.ts'
import { parseLookasideBase, type LookasideConfig, type LookasideSection } from './lookaside.ts'

export type RegistriesDFile = { readonly name: string; readonly bytes: Uint8Array }
export type RegistriesDProblem = Problem & { readonly file: string }

export type ParsedRegistriesD =
  | { readonly ok: true; readonly value: LookasideConfig }
  | { readonly ok: false; readonly problems: readonly [RegistriesDProblem, ...RegistriesDProblem[]] }

const TOP_KEYS: readonly string[] = ['default-docker', 'docker']
/** In the order in which they count; the second is the name up to containers/image 5.21. */
const LOOKASIDE_KEYS = ['lookaside', 'sigstore'] as const
const STAGING_KEYS = ['lookaside-staging', 'sigstore-staging'] as const
const ATTACHMENTS_KEY = 'use-sigstore-attachments'
const SECTION_KEYS: readonly string[] = [...LOOKASIDE_KEYS, ...STAGING_KEYS, ATTACHMENTS_KEY]

/** Whether a file of the directory is a part of the configuration; the manual page goes by the name alone. */
export function isRegistriesDName(name: string): boolean {
  return name.endsWith('.yaml')
}

/**
 * Reads the files of a registries.d directory as one configuration. containers-registries.d(5), with two differences:
 * unknown keys are errors rather than ignored, and staging places are checked but not used, since nothing is written.
 * A namespace, or default-docker, in two files is an error, as there.
 *
 * @param files in any order; those whose name does not count are passed over
 */
export function parseRegistriesD(files: readonly RegistriesDFile[]): ParsedRegistriesD {
  const problems: RegistriesDProblem[] = []
  const docker = new Map<string, { readonly file: string; readonly section: LookasideSection }>()
  let defaultDocker: { readonly file: string; readonly section: LookasideSection } | undefined
  for (const { name: file, bytes } of files.filter(({ name }) => isRegistriesDName(name))) {
    const reader = new Reader(file, bytes, problems)
    const top = reader.root()
    reader.unknownKeys(top, TOP_KEYS, '')
    for (const [key, value] of reader.entries(top)) {
      if (key.text === 'default-docker') {
        const section = reader.section(value, key.text)
        if (defaultDocker !== undefined) reader.fail(key.text, `is in ${defaultDocker.file} as well`, key.at)
        else defaultDocker = { file, section }
      }
      if (key.text !== 'docker') continue
      for (const [namespace, sectionNode] of reader.entries(reader.map(value, 'docker'))) {
        const path = `docker[${JSON.stringify(namespace.text)}]`
        const section = reader.section(sectionNode, path)
        const other = docker.get(namespace.text)
        if (other !== undefined) reader.fail(path, `is in ${other.file} as well`, namespace.at)
        else docker.set(namespace.text, { file, section })
      }
    }
  }
  const [first, ...others] = problems
  if (first !== undefined) return { ok: false, problems: [first, ...others] }
  const sections = new Map([...docker].map(([namespace, { section }]) => [namespace, section]))
  return { ok: true, value: { defaultDocker: defaultDocker?.section, docker: sections } }
}

/** `50-example.yaml: docker["example.org"]: unknown key "lookasid" (line 3, column 5)` */
export function formatRegistriesDProblem(problem: RegistriesDProblem): string {
  const path = problem.path === '' ? '' : `${problem.path}: `
  return `${problem.file}: ${path}${problem.message} (line ${problem.line}, column ${problem.column})`
}

type Key = { readonly text: string; readonly at: number }

/** One YAML file, read by its nodes so that every problem knows its line. */
class Reader {
  readonly #file: string
  readonly #problems: RegistriesDProblem[]
  readonly #lines = new LineCounter()
  readonly #contents: unknown

  constructor(file: string, bytes: Uint8Array, problems: RegistriesDProblem[]) {
    this.#file = file
    this.#problems = problems
    const document = parseDocument(Buffer.from(bytes).toString('utf8'), {
      lineCounter: this.#lines,
      prettyErrors: false,
      uniqueKeys: true,
    })
    for (const { message, pos } of [...document.errors, ...document.warnings]) this.fail('', message, pos[0])
    this.#contents = document.contents
  }

  fail(path: string, message: string, at: number): undefined {
    const { line, col } = this.#lines.linePos(at)
    this.#problems.push({ file: this.#file, path, message, line: Math.max(line, 1), column: Math.max(col, 1) })
    return undefined
  }

  /** The file's mapping; undefined for an empty one, which says nothing and is no problem. */
  root(): YAMLMap | undefined {
    return this.map(this.#contents, '')
  }

  /** A mapping; undefined for nothing at all, as where all of a section is commented out. */
  map(node: unknown, path: string): YAMLMap | undefined {
    if (isMap(node)) return node
    if (node === null || (isScalar(node) && node.value === null)) return undefined
    return this.fail(path, 'expected a mapping', positionOf(node))
  }

  entries(map: YAMLMap | undefined): readonly (readonly [Key, unknown])[] {
    return (map?.items ?? []).flatMap(({ key, value }) => {
      if (isScalar(key) && typeof key.value === 'string') {
        return [[{ text: key.value, at: positionOf(key) }, value] as const]
      }
      this.fail('', 'expected a key that is a string', positionOf(key))
      return []
    })
  }

  unknownKeys(map: YAMLMap | undefined, known: readonly string[], path: string): void {
    for (const [{ text, at }] of this.entries(map)) {
      if (!known.includes(text)) this.fail(path, `unknown key ${JSON.stringify(text)}`, at)
    }
  }

  section(node: unknown, path: string): LookasideSection {
    const map = this.map(node, path)
    this.unknownKeys(map, SECTION_KEYS, path)
    for (const key of STAGING_KEYS) this.#url(map, key, path)
    const [lookaside, sigstore] = LOOKASIDE_KEYS.map(key => this.#url(map, key, path))
    return { lookaside: lookaside ?? sigstore, useSigstoreAttachments: this.#boolean(map, ATTACHMENTS_KEY, path) }
  }

  #url(map: YAMLMap | undefined, key: string, path: string): LookasideSection['lookaside'] {
    const node: unknown = map?.get(key, true)
    if (node === undefined || node === null) return undefined
    const text = isScalar(node) ? node.value : undefined
    // containers/image takes an empty string for "not given".
    if (text === null || text === '') return undefined
    const base = typeof text === 'string' ? parseLookasideBase(text) : undefined
    const expected = 'expected an http, https or file URL without credentials, query and fragment'
    return base ?? this.fail(`${path}.${key}`, expected, positionOf(node))
  }

  #boolean(map: YAMLMap | undefined, key: string, path: string): boolean | undefined {
    const node: unknown = map?.get(key, true)
    if (node === undefined || node === null) return undefined
    const value = isScalar(node) ? node.value : undefined
    if (typeof value === 'boolean' || value === null) return value ?? undefined
    return this.fail(`${path}.${key}`, 'expected true or false', positionOf(node))
  }
}

function positionOf(node: unknown): number {
  if (typeof node !== 'object' || node === null || !('range' in node) || !Array.isArray(node.range)) return 0
  const [start]: readonly unknown[] = node.range
  return typeof start === 'number' ? start : 0
}
