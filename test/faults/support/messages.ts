/** What becomes of a step: each time it is reached, or the first time only. */
export type StepFault = 'throws' | 'throws once' | 'gives nothing'

/** What a gate is to do with its steps from now on. */
export type ToInjected =
  | { readonly type: 'pass' }
  /** Note every step that is reached. */
  | { readonly type: 'record' }
  | { readonly type: 'fault'; readonly step: string; readonly fault: StepFault }

/** Said to each order: the steps that were reached since it was given the one before. */
export type FromInjected = { readonly reached: readonly string[] }
