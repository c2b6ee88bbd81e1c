import { readFileSync } from 'node:fs'
import { registerHooks, stripTypeScriptTypes } from 'node:module'
import { relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { instrument, STEP_FUNCTION } from './instrument.ts'
import type { FromInjected, ToInjected } from './messages.ts'

/**
 * For `node --import`: every function of src/ asks this file before it does anything, and does what the test that started
 * the process has said over its channel: note that it was there, throw, or give nothing.
 */
const SRC = fileURLToPath(new URL('../../../src/', import.meta.url))

let order: ToInjected = { type: 'pass' }
const reached = new Set<string>()

function step(name: string): boolean {
  switch (order.type) {
    case 'pass':
      return false
    case 'record':
      reached.add(name)
      return false
    case 'fault': {
      if (order.step !== name) return false
      const isFirst = reached.size === 0
      reached.add(name)
      if (order.fault === 'gives nothing') return true
      if (order.fault === 'throws once' && !isFirst) return false
      throw new Error(`injected into ${name}`)
    }
  }
}

Object.defineProperty(globalThis, STEP_FUNCTION, { value: step })

process.on('message', (message: ToInjected) => {
  const answer: FromInjected = { reached: [...reached] }
  reached.clear()
  order = message
  process.send?.(answer)
})

registerHooks({
  load(url, context, nextLoad) {
    const path = url.startsWith('file:') ? fileURLToPath(url) : ''
    if (!path.startsWith(SRC) || !path.endsWith('.ts')) return nextLoad(url, context)
    const source = stripTypeScriptTypes(readFileSync(path, 'utf8'))
    const name = relative(SRC, path).replaceAll(sep, '/')
    return { format: 'module', source: instrument(source, name), shortCircuit: true }
  },
})
