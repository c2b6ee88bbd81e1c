import type { Readable } from 'node:stream'
import { dialError } from './dial.ts'

/**
 * Runs what reads a blob's body: what the body itself failed with is the upstream's failure, told as one; anything else
 * that was thrown meanwhile (the reader's own verdict on the bytes, the client's socket) is thrown on as it is.
 *
 * @param host the registry's name, for the message
 * @throws UpstreamError, and whatever `read` throws
 */
export async function readingBlob<T>(body: Readable, host: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    throw error === body.errored ? dialError(error, { host }) : error
  }
}
