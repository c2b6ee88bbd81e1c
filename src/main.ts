#!/usr/bin/env node
import { run } from './cli/run.ts'

process.exitCode = await run(process.argv.slice(2), {
  stdout: text => process.stdout.write(text),
  stderr: text => process.stderr.write(text),
  onSignal: handler => {
    process.once('SIGTERM', handler)
    process.once('SIGINT', handler)
  },
})
