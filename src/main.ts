#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8'
import { nodeProblem } from './cli/node-floor.ts'

// V8 lets its heap grow by the machine's size: to several times what is alive, where there is much memory. A gate shares
// its node with others. The flags are read at each collection, so setting them now is in time (docs/performance.md).
setFlagsFromString('--heap-growing-percent=20')
// Its space for what is young would double when more of that is alive, and stay so: a step of 24 MiB in one process of four.
setFlagsFromString('--semi-space-growth-factor=1')

const problem = nodeProblem(process.versions.node)
if (problem === undefined) {
  // Only now: on an older Node the libraries fail before anybody could say why.
  const { run } = await import('./cli/run.ts')
  process.exitCode = await run(process.argv.slice(2), {
    stdout: text => process.stdout.write(text),
    stderr: text => process.stderr.write(text),
    onSignal: handler => {
      process.once('SIGTERM', handler)
      process.once('SIGINT', handler)
    },
  })
} else {
  process.stderr.write(problem)
  process.exitCode = 1
}
