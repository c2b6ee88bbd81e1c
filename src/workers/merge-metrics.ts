const SAMPLE = /^([A-Za-z_:][A-Za-z0-9_:]*)(?:\{(.*)\})? (.+)$/
const COMMENT = /^# (?:HELP|TYPE) ([A-Za-z_:][A-Za-z0-9_:]*) /
const SUFFIX = /_(?:bucket|sum|count)$/

/**
 * The metrics of several workers as one page: each sample with the number of its worker as the label `worker`, the samples
 * of a metric together, as the text format wants them. Nothing is added up: gauges could not be, and Prometheus does it.
 *
 * @param pages by the worker's number; Prometheus' text format 0.0.4
 */
export function mergeMetrics(pages: ReadonlyMap<number, string>): string {
  const families = new Map<string, { readonly comments: Set<string>; readonly samples: string[] }>()
  const family = (name: string): { readonly comments: Set<string>; readonly samples: string[] } => {
    const known = families.get(name) ?? { comments: new Set(), samples: [] }
    families.set(name, known)
    return known
  }
  for (const [number, page] of pages) {
    for (const line of page.split('\n')) {
      const [, described] = COMMENT.exec(line) ?? []
      if (described !== undefined) family(described).comments.add(line)
      const [, name, labels, value] = SAMPLE.exec(line) ?? []
      if (name === undefined || line.startsWith('#')) continue
      const owner = families.has(name) ? name : name.replace(SUFFIX, '')
      const own = `worker="${number}"`
      const all = labels === undefined || labels === '' ? own : `${labels},${own}`
      family(families.has(owner) ? owner : name).samples.push(`${name}{${all}} ${value}`)
    }
  }
  const text = [...families.values()].map(({ comments, samples }) => [...comments, ...samples].join('\n')).join('\n\n')
  return `${text}\n`
}
