import { createEngine, type Engine } from '../assembly/create-engine.ts'
import { ConfigError, loadConfig } from '../config/load-config.ts'
import { createLogger } from '../observe/logger.ts'
import { messageOf } from '../trust/trust-error.ts'
import { EXIT, type Terminal } from './terminal.ts'

/**
 * Runs one command on the engine that a configuration describes, with its policy and keys loaded, and closes it again.
 *
 * @returns the command's exit code, or 2 if it could not be started; what went wrong is on standard error
 */
export async function withEngine(
  configFile: string,
  terminal: Terminal,
  command: (engine: Engine) => Promise<number>,
): Promise<number> {
  let engine: Engine
  try {
    // Its own words go to the terminal; the engine's log is the daemon's.
    engine = await createEngine(await loadConfig(configFile), createLogger('silent'))
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    terminal.stderr(`sealgate: ${error.message}\n`)
    return EXIT.undecided
  }
  try {
    await engine.snapshots.start()
    return await command(engine)
  } catch (error) {
    terminal.stderr(`sealgate: ${messageOf(error)}\n`)
    return EXIT.undecided
  } finally {
    await engine.close()
  }
}
