import { fileURLToPath } from 'node:url'
import { createGate, type Gate } from '../app.ts'
import type { Config } from '../config/config.ts'
import { ConfigError, loadConfig } from '../config/load-config.ts'
import { createLogger, type Logger } from '../observe/logger.ts'
import { messageOf } from '../trust/trust-error.ts'
import type { Membership } from '../workers/member.ts'
import { ownPart } from '../workers/own-part.ts'
import { demoGuide } from './demo-guide.ts'
import { EXIT, type Terminal } from './terminal.ts'

const DEMO_CONFIG = fileURLToPath(new URL('../../config/demo.yaml', import.meta.url))

/** Runs the gate until it is asked to stop. Without a configuration file it serves its demo, and says what to try. */
export async function serve(configFile: string | undefined, terminal: Terminal, member?: Membership): Promise<number> {
  let config: Config
  let logger: Logger
  let gate: Gate
  try {
    config = await loadConfig(configFile ?? DEMO_CONFIG)
    if (member !== undefined) config = ownPart(config, member)
    logger = createLogger(config.log)
    gate = await createGate(config, logger, member)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    terminal.stderr(`sealgate: ${error.message}\n`)
    return EXIT.failed
  }
  const stopped = new Promise<void>(resolve => terminal.onSignal(resolve))
  try {
    await gate.engine.snapshots.start()
  } catch (error) {
    // With a key broker or TUF the policy or its keys may come later: until then the gate is not ready and every pull is 503 (case 184).
    if (config.keyBroker === undefined && config.tuf === undefined) {
      terminal.stderr(`sealgate: the policy cannot be used: ${messageOf(error)}\n`)
      await gate.close()
      return EXIT.failed
    }
  }
  try {
    const addresses = await gate.listen()
    logger.info(addresses, 'listening')
    if (configFile === undefined) terminal.stdout(demoGuide(addresses.registry))
  } catch (error) {
    terminal.stderr(`sealgate: ${messageOf(error)}\n`)
    await gate.close()
    return EXIT.failed
  }
  await stopped
  logger.info('stopping: pulls under way may finish')
  await gate.close()
  return EXIT.ok
}
