import { parse as parseToml, TomlError } from 'smol-toml'
import { parse as parseYaml, YAMLParseError } from 'yaml'
import type { NodeText } from './finding.ts'

type Table = { readonly [key: string]: unknown }
export type Parsed =
  | { readonly ok: true; readonly table: Table }
  | { readonly ok: false; readonly problem: string; readonly line: number | undefined }

function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The table at `value`; an empty one where there is none. */
export function tableAt(value: unknown): Table {
  return isTable(value) ? value : {}
}

export function tablesAt(value: unknown): readonly Table[] {
  return Array.isArray(value) ? value.filter(isTable) : []
}

export function textAt(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

export function textsAt(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter(one => typeof one === 'string') : []
}

/** TOML, YAML or JSON by the file's ending. An empty file is an empty table. */
export function parseNodeText({ path, text }: NodeText): Parsed {
  try {
    const value: unknown = path.endsWith('.json')
      ? JSON.parse(text)
      : path.endsWith('.yaml')
        ? (parseYaml(text) ?? {})
        : parseToml(text)
    return isTable(value) ? { ok: true, table: value } : { ok: false, problem: 'is not a table', line: 1 }
  } catch (error) {
    if (error instanceof TomlError) return { ok: false, problem: firstLine(error.message), line: error.line }
    if (error instanceof YAMLParseError)
      return { ok: false, problem: firstLine(error.message), line: error.linePos?.[0].line }
    if (error instanceof SyntaxError) return { ok: false, problem: firstLine(error.message), line: undefined }
    throw error
  }
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? text
}

/** The host of a URL, or of host[:port][/path] without a scheme. */
export function hostOf(location: string): string {
  return location.replace(/^[a-z]+:\/\//, '').split('/')[0] ?? ''
}
