import type { Parsed } from './resource.ts'

/** Which KBC module the agent is to use, and the KBS that module is to ask. */
export type AaKbcParams = { readonly kbcName: string; readonly kbsUri: string }

const KBC_NAME = /^[A-Za-z0-9_-]{1,64}$/
const KBS_URI = /^[\x21-\x7e]{1,1024}$/
const OLD_PREFIX = 'provider:attestation-agent:'

/**
 * Parses `offline_fs_kbc::null`. Split at the first `::`, as image-rs did, so that the URI may hold an IPv6 address
 * (keybroker.md section 2; the CDH splits at every `::` and refuses that, but is not given these parameters). The URI
 * goes to the agent as it is written: image-rs sent "null" in 2022 and "localhost" in its place in 2023, and the agents
 * take either.
 */
export function parseAaKbcParams(text: string): Parsed<AaKbcParams> {
  if (text.startsWith(OLD_PREFIX)) return fault(`begins with "${OLD_PREFIX}", which does not belong here`)
  const split = text.indexOf('::')
  if (split === -1) return fault('has no "::"')
  const kbcName = text.slice(0, split)
  const uri = text.slice(split + 2)
  if (kbcName === '') return fault('has nothing before "::"')
  if (uri === '') return fault('has nothing after "::"')
  if (!KBC_NAME.test(kbcName)) return fault('has a KBC name of other than letters, digits, "_" and "-"')
  if (!KBS_URI.test(uri)) return fault('has blanks or characters outside ASCII after "::", or too many')
  return { ok: true, value: { kbcName, kbsUri: uri } }
}

function fault(problem: string): Parsed<AaKbcParams> {
  return { ok: false, problem: `aaKbcParams ${problem}; expected KBC_NAME::KBS_URI, such as offline_fs_kbc::null` }
}
