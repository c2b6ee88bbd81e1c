/**
 * The oldest Node that the gate may run on: later ones of its line have what was mended in HTTP parsing and TLS
 * (CVE-2026-58044 among others: before, headers beyond the thousandth were dropped in silence, a second Host too).
 */
const FLOOR = [24, 17] as const

/** What is wrong with this Node, as a line for its user; undefined: nothing. @param version as `process.versions.node` */
export function nodeProblem(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [needed, neededMinor] = FLOOR
  if (major > needed || (major === needed && minor >= neededMinor)) return undefined
  return `sealgate: needs Node ${needed}.${neededMinor} or later, and this is ${version}; npm start brings its own\n`
}
