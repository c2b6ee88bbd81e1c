import type { Evaluation, RequirementResult, SignatureResult } from '../verdict/decision.ts'

/** A decision as a tree that a person reads from top to bottom: image, scope, requirements, signatures. */
export function decisionTree(headline: string, evaluation: Evaluation): string {
  return `${[headline, ...linesOf(evaluation)].join('\n')}\n`
}

function linesOf(evaluation: Evaluation): readonly string[] {
  const lines = [
    `  image   ${evaluation.reference}`,
    `  digest  ${evaluation.digest}`,
    `  scope   ${evaluation.scope}`,
    `  policy  ${evaluation.snapshotId.slice(0, 16)}`,
  ]
  for (const requirement of evaluation.requirements)
    lines.push(...requirementLines(requirement).map(line => `  ${line}`))
  for (const left of evaluation.leftOut) lines.push(`  left out: ${left}`)
  for (const child of evaluation.children) lines.push('  child', ...linesOf(child).map(line => `  ${line}`))
  return lines
}

const MARKS = { met: '✓', unmet: '✗', open: '?' } as const

function requirementLines({
  requirement,
  outcome,
  reason,
  signatures,
  failures,
}: RequirementResult): readonly string[] {
  return [
    `${MARKS[outcome]} ${requirement}: ${outcome === 'met' ? 'met' : outcome === 'unmet' ? 'not met' : 'open'}, ${reason}`,
    ...signatures.flatMap(signature => signatureLines(signature).map(line => `    ${line}`)),
    ...failures.map(failure => `    ? ${failure}`),
  ]
}

function signatureLines(signature: SignatureResult): readonly string[] {
  if (!signature.counts) return [`✗ ${signature.found}`, `    ${signature.reason}`]
  return [
    `✓ ${signature.found}`,
    `    signed by ${signature.signer} (SHA256 ${signature.fingerprint})`,
    `    claims ${signature.claim ?? 'no name, only the digest'}`,
    ...(signature.loggedAt === undefined ? [] : [`    logged at ${signature.loggedAt}`]),
    ...(signature.goodUntil === undefined ? [] : [`    good until ${signature.goodUntil}`]),
  ]
}
