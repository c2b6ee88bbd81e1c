import t, { type Test } from 'tap'
import { findPrograms } from './programs.ts'
import { openScene, type Scene } from './scene.ts'

/**
 * A test with a scene of its own. What its set-up throws is a failure of the test, and the scene is closed all the same.
 * Where a program is missing it is skipped with a word of which; in CI it fails, since there a suite that did not run must
 * not look like one that passed.
 */
export function sceneTest(name: string, play: (t: Test, scene: Scene) => Promise<void>): void {
  const found = findPrograms()
  if ('programs' in found) {
    const { programs } = found
    t.test(name, async t => {
      const scene = await openScene(programs)
      t.teardown(scene.close)
      await play(t, scene)
    })
  } else if (process.env['CI'] === 'true') t.fail(`${name}: ${found.missing}`)
  else t.plan(0, `${name}: ${found.missing}`)
}
