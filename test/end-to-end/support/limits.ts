/**
 * How long the suite waits for what, in milliseconds. Fixed, so that a run ends by itself whatever hangs. Each is many times
 * what the step takes on a machine with two busy cores; the time-out of a whole test file is set in package.json's script.
 */
export const limits = {
  /** One command that ends by itself: a pull, a push, a signature. */
  command: 60_000,
  /** Until a server that was started answers. */
  start: 30_000,
  /** Between asking a server to end and ending it. */
  stop: 10_000,
  /** Within which a fresh signature must have made a refused image pass: the "seconds" that a refusal may live. */
  freshSignature: 15_000,
  /** Between two looks at something that is waited for. */
  poll: 200,
} as const
