import { formatReference, parseImageReference } from '../reference/image-reference.ts'
import { UndecidedError, type Evaluation } from '../verdict/decision.ts'
import { decisionTree } from './decision-tree.ts'
import { EXIT, type Terminal } from './terminal.ts'
import { withEngine } from './with-engine.ts'

/** `sealgate verify IMAGE`: the gate's own judgement, with everything that led to it. */
export async function verifyImage(
  image: string,
  configFile: string,
  format: 'tree' | 'json',
  terminal: Terminal,
): Promise<number> {
  const reference = parseImageReference(image)
  if (reference === undefined) {
    terminal.stderr(`sealgate: ${JSON.stringify(image)} is not an image reference\n`)
    return EXIT.usage
  }
  const print = (verdict: string, headline: string, evaluation: Evaluation): void => {
    terminal.stdout(
      format === 'json'
        ? `${JSON.stringify({ verdict, reason: headline, ...evaluation }, undefined, 2)}\n`
        : decisionTree(`${verdict}: ${headline}`, evaluation),
    )
  }
  return withEngine(configFile, terminal, async ({ snapshots, manifests, judge, upstreams }) => {
    if (upstreams.forHost(reference.repository.host) === undefined) {
      terminal.stderr(`sealgate: ${reference.repository.host} is not one of the configured registries\n`)
      return EXIT.undecided
    }
    const snapshot = await snapshots.current()
    const manifest = await manifests.get(reference)
    if (manifest === undefined) {
      terminal.stderr(`sealgate: ${formatReference(reference)} is not known upstream\n`)
      return EXIT.undecided
    }
    try {
      const { decision } = await judge.judge({ reference, manifest, snapshot, client: '' })
      switch (decision.outcome) {
        case 'accepted':
          print(
            'accepted',
            decision.signers.length === 0 ? decision.via.by : `signed by ${decision.signers.join(', ')}`,
            decision.evaluation,
          )
          return EXIT.ok
        case 'refused':
          print('refused', decision.reason, decision.evaluation)
          return EXIT.refused
      }
    } catch (error) {
      if (!(error instanceof UndecidedError)) throw error
      print('undecided', error.message, error.evaluation)
      return EXIT.undecided
    }
  })
}
