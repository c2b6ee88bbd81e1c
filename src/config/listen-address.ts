import { z } from 'zod'

/** Where a server listens, as a setting. */
export const address = z.string().transform((text, context) => {
  const parsed = parseListenAddress(text)
  if (parsed !== undefined) return parsed
  context.addIssue({
    code: 'custom',
    message: `expected host:port or the path of a unix socket, found ${JSON.stringify(text)}`,
  })
  return z.NEVER
})

export type ListenAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }

/** `host:port`, `[::1]:port`, or the path of a unix socket (with a slash in it). */
export function parseListenAddress(text: string): ListenAddress | undefined {
  if (text.includes('/')) return { kind: 'unix', path: text }
  const match = /^(?:\[([0-9a-f:]+)\]|([A-Za-z0-9.-]+)):([0-9]{1,5})$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  return host !== undefined && port <= 65_535 ? { kind: 'tcp', host, port } : undefined
}
