import { decodeBase64 } from '../../json/base64.ts'

const BLOCK = /-----BEGIN ([A-Z ]+)-----\r?\n([A-Za-z0-9+/=\r\n]+?)-----END \1-----/y
const MAX_BLOCKS = 100

/**
 * The DER contents of a text that is nothing but PEM blocks of one kind, with blank space between them. Text around a
 * block, another kind of block or broken base64 makes it none: a reader that skips what it does not know reads something
 * else than what was written.
 *
 * @returns undefined for anything else; at least one block otherwise
 */
export function pemBlocks(text: string, label: string): readonly Buffer[] | undefined {
  const blocks: Buffer[] = []
  let index = skipSpace(text, 0)
  while (index < text.length) {
    BLOCK.lastIndex = index
    const match = BLOCK.exec(text)
    const der = match?.[1] === label ? decodeBase64((match[2] ?? '').replace(/[\r\n]/g, '')) : undefined
    if (match === null || der === undefined || der.byteLength === 0 || blocks.length === MAX_BLOCKS) return undefined
    blocks.push(Buffer.from(der))
    index = skipSpace(text, BLOCK.lastIndex)
  }
  return blocks.length > 0 ? blocks : undefined
}

function skipSpace(text: string, from: number): number {
  let index = from
  while (index < text.length && /\s/.test(text.charAt(index))) index += 1
  return index
}
