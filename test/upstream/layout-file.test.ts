import { spawnSync } from 'node:child_process'
import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readFile } from 'node:fs/promises'
import t from 'tap'
import { openRegular } from '../../src/upstream/layout-file.ts'
import { temporaryDirectory } from '../support/gate.ts'

async function textOf(path: string, root: string): Promise<string | undefined> {
  const opened = await openRegular(path, root)
  if (opened === undefined) return undefined
  await opened.handle.close()
  return readFile(path, 'utf8')
}

t.test('nothing that is not a file below the root is opened', async t => {
  const base = realpathSync(temporaryDirectory(t))
  const root = join(base, 'root')
  mkdirSync(join(root, 'app', 'blobs'), { recursive: true })
  mkdirSync(join(base, 'root-too'))
  writeFileSync(join(base, 'secret'), 'secret')
  writeFileSync(join(base, 'root-too', 'file'), 'secret')
  writeFileSync(join(root, 'app', 'blobs', 'file'), 'text')
  symlinkSync(join(root, 'app', 'blobs', 'file'), join(root, 'app', 'link'))
  symlinkSync(base, join(root, 'up'))
  symlinkSync(join(base, 'root-too'), join(root, 'beside'))
  symlinkSync(join(root, 'app'), join(root, 'alias'))
  symlinkSync(join(root, 'circle'), join(root, 'circle'))

  t.equal(await textOf(join(root, 'app', 'blobs', 'file'), root), 'text')
  t.equal(await textOf(join(root, 'alias', 'blobs', 'file'), root), 'text', 'a link that stays inside is a name')
  t.equal(await textOf(join(root, 'app', 'blobs', 'none'), root), undefined)
  t.equal(await textOf(join(root, 'none', 'none'), root), undefined)
  t.equal(await textOf(join(root, 'app', 'blobs', 'file', 'below'), root), undefined)
  const refused = [
    { it: 'a link in the place of a file', path: ['app', 'link'] },
    { it: 'a directory that leads out', path: ['up', 'secret'] },
    { it: 'and to a directory whose name begins alike', path: ['beside', 'file'] },
    { it: 'a circle of links', path: ['circle'] },
    { it: 'a directory', path: ['app', 'blobs'] },
  ]
  for (const { it, path } of refused) {
    await t.rejects(textOf(join(root, ...path), root), { name: 'UpstreamError', code: 'BAD_ANSWER' }, it)
  }
})

t.test('a root that is itself a link is where it leads', async t => {
  const base = temporaryDirectory(t)
  mkdirSync(join(base, 'version-2'))
  writeFileSync(join(base, 'version-2', 'file'), 'text')
  symlinkSync('version-2', join(base, 'current'))
  t.equal(await textOf(join(base, 'current', 'file'), join(base, 'current')), 'text')
})

t.test('a pipe holds nobody up', async t => {
  const root = temporaryDirectory(t)
  const pipe = join(root, 'pipe')
  if (spawnSync('mkfifo', [pipe]).status !== 0) return t.comment('mkfifo is absent: skipped')
  return t.rejects(textOf(pipe, root), { code: 'BAD_ANSWER' })
})
