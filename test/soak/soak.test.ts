import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { startGate } from '../end-to-end/support/gate.ts'
import { startAttestationAgent } from '../support/attestation-agent.ts'
import { startEvilRegistry } from '../support/evil-registry.ts'
import { temporaryDirectory } from '../support/gate.ts'
import { ecdsaSigner } from '../support/signer.ts'
import { load, sweep } from './support/clients.ts'
import { figures } from './support/figures.ts'
import { HOST, putImages } from './support/images.ts'
import { openFiles, residentMiB, strangeLines } from './support/process-figures.ts'
import { Tally } from './support/tally.ts'
import { TrustChanges } from './support/trust-changes.ts'
import { UpstreamFaults } from './support/upstream-faults.ts'

const SECONDS = Number(process.env['SOAK_SECONDS'] ?? 600)
/** Longer than any time-out of the gate's below, so that what is still open then stays open. */
const SETTLE_MS = 12_000
/** The final sweep may fail for so long: time to live of refusals, pauses between tries at the broker. */
const RECOVERY_MS = 15_000
/** The gate's pools may be at another point than at the start; every leak of one a pull is thousands. */
const SPARE_FILES = 8
/**
 * Over the memory at a fifth of the run, when every cache is full. V8 collects when its heap has grown by a fifth, and what
 * blobs under way took is given back late: a few MiB. Ten minutes are more than 100 000 answers: 350 bytes kept of each are more.
 */
const GROWTH_MIB = 32

t.setTimeout((SECONDS + 180) * 1000)

t.test(`${SECONDS} seconds of mixed load, with faults on every side`, async t => {
  const signers = { one: ecdsaSigner(), two: ecdsaSigner(), stranger: ecdsaSigner() }
  const directory = temporaryDirectory(t)
  const registry = await startEvilRegistry(t)
  const targets = putImages(registry, signers)
  const upstream = new UpstreamFaults(registry, new Set(targets.map(({ blob }) => blob.digest)))
  const agent = await startAttestationAgent({
    generation: '2023',
    resources: { from: 'map', map: { 'default/cosign-public-key/test': signers.one.publicPem } },
  })
  t.teardown(async () => agent.close())
  const keyTwo = join(directory, 'two.pub')
  writeFileSync(keyTwo, signers.two.publicPem)
  const trust = new TrustChanges({ agent, directory, keyTwo })
  const server = await startGate(directory, {
    policy: trust.policyFile,
    configuration: {
      registries: { [HOST]: { url: registry.url, timeouts: { connect: 2, headers: 2, body: 2 } } },
      keyBroker: { kind: 'attestation-agent-2023', address: agent.address, timeout: 1, refresh: 1 },
      cache: { accepted: 1, refused: 0.5, tags: 0.2, manifestBytes: 4096 },
      limits: { verdictSeconds: 5, stallSeconds: 3 },
      log: 'warn',
    },
  })
  t.teardown(async () => server.stop())
  const { pid } = server
  if (pid === undefined) throw new Error('a gate that answers has a process')
  const gate = `http://${server.host}`
  const quiet = { gate, targets, trust, tally: new Tally(), faults: 'off' } as const

  // Warm, and quiet again: what is open now is what may be open at the end.
  upstream.on = false
  await load(quiet, AbortSignal.timeout(3000))
  t.same(quiet.tally.wrong, [], 'before the faults: no wrong verdict')
  await sleep(SETTLE_MS)
  const filesBefore = openFiles(pid)

  upstream.on = true
  const tally = new Tally()
  const stop = AbortSignal.timeout(SECONDS * 1000)
  const changes = trust.run(stop)
  const fifth = sleep(SECONDS * 200).then(() => residentMiB(pid))
  let mostFiles = 0
  const watch = setInterval(() => {
    mostFiles = Math.max(mostFiles, openFiles(pid))
  }, 1000)
  await load({ gate, targets, trust, tally, faults: 'on' }, stop)
  clearInterval(watch)
  const residentUnderLoad = residentMiB(pid)
  await changes
  upstream.on = false

  const recoverBy = performance.now() + RECOVERY_MS
  let wrongAtEnd = await sweep(quiet)
  while ((wrongAtEnd.length > 0 || trust.inForce() === undefined) && performance.now() < recoverBy) {
    await sleep(1000)
    wrongAtEnd = await sweep(quiet)
  }
  await sleep(SETTLE_MS)
  const [residentWarm, residentAfter, filesAfter] = [await fifth, residentMiB(pid), openFiles(pid)]
  const metrics = await (await fetch(`${server.adminUrl}/metrics`, { headers: { connection: 'close' } })).text()
  await server.stop()
  const strange = await strangeLines(join(directory, 'sealgate.log'))

  const others = {
    'answers a second': Math.round(tally.answers / SECONDS),
    'aborted by clients': tally.aborted,
    'upstream faults': `${upstream.total} (${[...upstream.counts].map(([name, count]) => `${name} ${count}`).join(', ')})`,
    'policy changes': `${trust.reloads}, and ${trust.brokenPolicies} that were no policy`,
    'key broker': `${trust.brokerRestarts} restarts, ${trust.brokerFaults} other faults`,
    'open files and sockets': `${filesBefore} before, at most ${mostFiles} under load, ${filesAfter} after`,
    'resident MiB': [residentWarm, residentUnderLoad, residentAfter].map(Math.round).join(', then ').concat(' after'),
  }
  for (const line of figures(tally, others)) t.comment(line)

  t.same(tally.wrong, [], `no wrong answer among ${tally.answers} (${tally.wrongTotal} wrong)`)
  t.same(strange, [], 'the log has no internal error, no unhandled rejection, nothing from Node itself')
  t.same(wrongAtEnd, [], 'without faults every verdict is right again')
  t.match(metrics, /^sealgate_pulls_under_way 0$/m, 'no pull is under way')
  t.ok(filesAfter <= filesBefore + SPARE_FILES, `open files: ${filesBefore} before, ${filesAfter} after`)
  t.ok(residentAfter <= residentWarm + GROWTH_MIB, `MiB: ${residentWarm} at a fifth, ${residentAfter} at the end`)
  // That the load was one: without these, a gate that answers 503 to everything would pass.
  t.ok(tally.sum('accepted', '200') > SECONDS * 10, 'signed images were pulled all the time')
  t.ok(tally.sum('refused', '403') > SECONDS * 10, 'and unsigned ones refused')
  t.ok(tally.sum('blob', '200') > 0 && tally.sum('blob, a range', '206') > 0, 'blobs came, and ranges of them')
  t.ok(tally.aborted > 0 && upstream.total > SECONDS && trust.reloads > 1, 'and there were faults on every side')
})
