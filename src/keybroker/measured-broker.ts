import { KeyBrokerError, type KeyBroker } from './broker.ts'

/** `outcome` is given, failed or the code of a KeyBrokerError. */
export type ObserveAsk = (ask: { readonly outcome: string; readonly seconds: number }) => void

/** A broker that tells how each question to it went. */
export function measuredBroker(broker: KeyBroker, observe: ObserveAsk): KeyBroker {
  return {
    async get(resource, signal) {
      const begun = performance.now()
      const tell = (outcome: string): void => observe({ outcome, seconds: (performance.now() - begun) / 1000 })
      try {
        const bytes = await broker.get(resource, signal)
        tell('given')
        return bytes
      } catch (error) {
        tell(error instanceof KeyBrokerError ? error.code : 'failed')
        throw error
      }
    },
    describe: () => broker.describe(),
    close: () => broker.close(),
  }
}
