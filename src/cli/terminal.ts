/** What the command line needs of the process; main.ts hands it in, so that nothing else touches `process`. */
export type Terminal = {
  readonly stdout: (text: string) => void
  readonly stderr: (text: string) => void
  /** Called once, when the process is asked to stop. */
  readonly onSignal: (handler: () => void) => void
}

/** Exit codes. `verify`: 0 accepted, 1 refused, 2 undecided or unable to start. */
export const EXIT = { ok: 0, refused: 1, failed: 1, undecided: 2, usage: 2 } as const
