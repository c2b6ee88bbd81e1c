export type LoggedDecision = {
  readonly verdict: string
  readonly reference: string
  /** The login that it was decided for. */
  readonly user: string | undefined
}

/** The decisions in the gate's log, in its order. */
export function decisionsIn(log: string): readonly LoggedDecision[] {
  return log.split('\n').flatMap(line => {
    if (!line.includes('"verdict":')) return []
    const record: unknown = JSON.parse(line)
    if (typeof record !== 'object' || record === null || !('reference' in record) || !('verdict' in record)) return []
    const { reference, verdict } = record
    const user = 'user' in record && typeof record.user === 'string' ? record.user : undefined
    return typeof reference === 'string' && typeof verdict === 'string' ? [{ verdict, reference, user }] : []
  })
}

/** Which references were refused, each once; for one login, or for anybody. */
export function refusedIn(log: string, user?: string): readonly string[] {
  const refused = decisionsIn(log).filter(one => one.verdict === 'refused' && (user === undefined || one.user === user))
  return [...new Set(refused.map(({ reference }) => reference))]
}
