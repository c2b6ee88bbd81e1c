/** What was asked of an agent, in the fields of the configured year. */
export type AgentQuestion =
  | { readonly year: '2022'; readonly kbcName: string; readonly kbsUri: string }
  | { readonly year: '2023'; readonly path: string }

const PREFIX = '[ERROR:attestation-agent]'
const UNKNOWN_KBC = 'AA does not support the given KBC module!'

/**
 * Says which year's agent it must be that gave this text, if not one of the configured year. Agents of all years decode
 * each other's requests, as all fields are strings: so a question lands in the wrong fields, and the complaint repeats
 * a value that an agent of the right year would not have found there (keybroker.md section 1).
 *
 * @returns what it is and what to configure; undefined where the text does not tell
 */
export function otherGeneration(untrustedText: string, question: AgentQuestion): string | undefined {
  const text = untrustedText.startsWith(PREFIX) ? untrustedText : ''
  switch (question.year) {
    case '2022':
      if (text.includes(`Resource path ${question.kbcName} must start with '/'`)) return IS_2023
      return text.endsWith(`${UNKNOWN_KBC} Module: ${question.kbsUri}`) || isUrlComplaint(text) ? IS_BETWEEN : undefined
    case '2023':
      // The first agents did not repeat the name; those of 2023 always do.
      if (text.endsWith(UNKNOWN_KBC) || text.endsWith(`${UNKNOWN_KBC} Module: ${question.path}`)) return IS_2022
      return isUrlComplaint(text) ? IS_BETWEEN : undefined
  }
}

/** The agents that wanted a resource's URI in the first field say this of a path or a KBC's name there. */
function isUrlComplaint(text: string): boolean {
  return text.endsWith('relative URL without a base')
}

const IS_2023 =
  'speaks as the attestation-agent of 2023 (0.5, 0.6): it read the KBC name as a path; configure kind: attestation-agent-2023'
const IS_2022 =
  'speaks as the attestation-agent of 2022 (up to 0.4): it read the path as the KBC name; configure kind: attestation-agent-2022'
const IS_BETWEEN =
  'speaks as the attestation-agent of February 2023, which is in no release and not supported: use 0.4 (kind: attestation-agent-2022) or 0.5 and later (kind: attestation-agent-2023)'

/** The agent's method is missing. */
export const NO_AGENT_METHOD =
  'has no getresource.GetResourceService: it is a confidential-data-hub (configure kind: cdh-grpc) or another port of the agent (keys are at 50000, resources at 50001)'

/** The hub's method is missing. */
export const NO_HUB_METHOD =
  'has no api.GetResourceService: it is an attestation-agent (configure kind: attestation-agent-2023 or attestation-agent-2022)'
