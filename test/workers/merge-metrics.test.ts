import t from 'tap'
import { mergeMetrics } from '../../src/workers/merge-metrics.ts'

t.test('each sample with its worker, the samples of a metric together', async t => {
  const page = (pulls: number): string =>
    [
      '# HELP pulls_total Pulls, by what "became" of them',
      '# TYPE pulls_total counter',
      `pulls_total{outcome="accepted",scope="a, } b"} ${pulls}`,
      '',
      '# HELP up Whether',
      '# TYPE up gauge',
      'up 1',
      '# HELP seconds How long',
      '# TYPE seconds histogram',
      'seconds_bucket{le="0.5"} 1',
      'seconds_bucket{le="+Inf"} 2',
      'seconds_sum 1.5e-3',
      'seconds_count 2',
      '',
    ].join('\n')
  const merged = mergeMetrics(
    new Map([
      [1, page(3)],
      [2, page(4)],
    ]),
  )
  t.same(
    merged.split('\n').filter(line => line !== ''),
    [
      '# HELP pulls_total Pulls, by what "became" of them',
      '# TYPE pulls_total counter',
      'pulls_total{outcome="accepted",scope="a, } b",worker="1"} 3',
      'pulls_total{outcome="accepted",scope="a, } b",worker="2"} 4',
      '# HELP up Whether',
      '# TYPE up gauge',
      'up{worker="1"} 1',
      'up{worker="2"} 1',
      '# HELP seconds How long',
      '# TYPE seconds histogram',
      'seconds_bucket{le="0.5",worker="1"} 1',
      'seconds_bucket{le="+Inf",worker="1"} 2',
      'seconds_sum{worker="1"} 1.5e-3',
      'seconds_count{worker="1"} 2',
      'seconds_bucket{le="0.5",worker="2"} 1',
      'seconds_bucket{le="+Inf",worker="2"} 2',
      'seconds_sum{worker="2"} 1.5e-3',
      'seconds_count{worker="2"} 2',
    ],
  )
})
