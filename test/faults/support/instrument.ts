import { parse, type Node } from 'acorn'
import { full } from 'acorn-walk'

/** The global function that an instrumented function asks first: true means "give nothing back". */
export const STEP_FUNCTION = '__sealgateStep'

type FunctionNode = Node & {
  readonly body: Node
  readonly expression?: boolean
  readonly id?: { readonly name: string } | null
}

const FUNCTIONS: ReadonlySet<string> = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression'])

/**
 * Makes every function of a module a place where a fault can be injected: it begins by telling the injector its name, which
 * then may throw, or make it return nothing at all.
 *
 * @param source JavaScript of a module
 * @param file how its steps are named: `verdict/decide.ts:73:8`
 */
export function instrument(source: string, file: string): string {
  const insertions: { readonly at: number; readonly text: string }[] = []
  const tree = parse(source, { ecmaVersion: 'latest', sourceType: 'module', locations: true })
  full(tree, node => {
    if (!FUNCTIONS.has(node.type)) return
    const { body, loc } = node as FunctionNode
    const step = JSON.stringify(`${file}:${loc?.start.line}:${(loc?.start.column ?? 0) + 1}`)
    if (body.type === 'BlockStatement') {
      insertions.push({ at: body.start + 1, text: `if (${STEP_FUNCTION}(${step})) return;` })
    } else {
      insertions.push({ at: body.start, text: `(${STEP_FUNCTION}(${step}) ? undefined : (` })
      insertions.push({ at: body.end, text: '))' })
    }
  })
  return insertions
    .sort((a, b) => a.at - b.at)
    .reduceRight((text, insertion) => text.slice(0, insertion.at) + insertion.text + text.slice(insertion.at), source)
}
