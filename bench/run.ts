import { cpus, release } from 'node:os'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Bench } from './bench.ts'
import { versionsOf } from './programs.ts'
import { blobs } from './rows/blobs.ts'
import { coldPulls, coldVerdicts } from './rows/cold-pulls.ts'
import { cachedManifests, manifestsByTag } from './rows/manifests.ts'
import { manyImages } from './rows/many-images.ts'
import { manyScopes } from './rows/policy.ts'
import { formatTable, type Row } from './table.ts'

/** `npm run bench`: ours and the peers side by side in one run, as ratios; writes the table of docs/performance.md. */
const RUNS = 3
const PAGE = join(import.meta.dirname, '../docs/performance.md')
const BEGIN = '<!-- npm run bench writes from here -->\n'
const END = '<!-- to here -->\n'

const bench = new Bench()
const rows: Row[] = []
const add = (...measured: readonly Row[]): void => {
  rows.push(...measured)
  process.stdout.write(formatTable(measured).split('\n').slice(2).join('\n'))
}
add(...manyScopes(RUNS))
add(...(await coldPulls(bench, RUNS)))
add(...(await coldVerdicts(bench, RUNS)))
add(await cachedManifests(bench, RUNS))
add(await manifestsByTag(bench, RUNS))
add(...(await blobs(bench, RUNS)))
add(await manyImages(bench))

const machine = `${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), Linux ${release()}, Node ${process.version}`
const date = new Date().toISOString().slice(0, 10)
const page = readFileSync(PAGE, 'utf8')
const [before, after] = [page.indexOf(BEGIN), page.indexOf(END)]
if (before < 0 || after < before) throw new Error(`${PAGE} has lost the marks between which the table goes`)
const written = `\n${date}, ${machine}; ${versionsOf().join(', ')}.\n\n${formatTable(rows)}\n`
writeFileSync(PAGE, page.slice(0, before + BEGIN.length) + written + page.slice(after))
process.exit()
