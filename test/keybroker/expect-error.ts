import type { Test } from 'tap'
import { KeyBrokerError, type KeyBroker, type KeyBrokerErrorCode } from '../../src/keybroker/broker.ts'
import { parseResourceName, type ResourceName } from '../../src/keybroker/resource.ts'

export const NEVER: AbortSignal = new AbortController().signal

export function named(text: string): ResourceName {
  const parsed = parseResourceName(text)
  if (!parsed.ok) throw new Error(parsed.problem)
  return parsed.value
}

/** The text of a resource, for tests whose resources are texts. */
export async function textOf(broker: KeyBroker, resource: string): Promise<string> {
  return Buffer.from(await broker.get(named(resource), NEVER)).toString()
}

/** The broker fails with this code and a message of one bounded line that says which resource, from where and why. */
export async function expectError(
  t: Test,
  broker: KeyBroker,
  resource: string,
  expected: { readonly code: KeyBrokerErrorCode; readonly says?: RegExp },
): Promise<void> {
  let thrown: unknown
  try {
    await broker.get(named(resource), NEVER)
  } catch (error) {
    thrown = error
  }
  if (!(thrown instanceof KeyBrokerError)) return void t.fail(`expected ${expected.code}, got ${String(thrown)}`)
  t.equal(thrown.code, expected.code, thrown.message)
  if (expected.says !== undefined) t.match(thrown.message, expected.says)
  t.ok(thrown.message.includes(resource) && thrown.message.includes(broker.describe()), 'says what and where')
  t.notMatch(thrown.message, /\p{C}/u, 'one line')
  t.ok(thrown.message.length < 700, 'bounded')
}
