export type Within<T> = { readonly inTime: true; readonly value: T } | { readonly inTime: false }

/**
 * Waits for `work`, but no longer than this. When the time is up, what the sockets hold already is still read: an answer
 * that came in time is not missed because this process was busy.
 */
export async function within<T>(work: Promise<T>, milliseconds: number): Promise<Within<T>> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<Within<T>>(resolve => {
    timer = setTimeout(() => setImmediate(() => setImmediate(resolve, { inTime: false })), milliseconds)
  })
  try {
    return await Promise.race([work.then((value): Within<T> => ({ inTime: true, value })), late])
  } finally {
    clearTimeout(timer)
  }
}
