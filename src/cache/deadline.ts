/**
 * Does some work under a signal that aborts when the time is over. Unlike AbortSignal.timeout, whose timers all live for the
 * whole time, nothing of it is left once the work is done.
 *
 * @param milliseconds from now on
 * @throws whatever the work throws; the signal's reason is a DOMException named TimeoutError
 */
export async function withDeadline<T>(milliseconds: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const timer = setTimeout(
    () => controller.abort(new DOMException(`not done in ${milliseconds} ms`, 'TimeoutError')),
    milliseconds,
  )
  try {
    return await work(controller.signal)
  } finally {
    clearTimeout(timer)
  }
}
