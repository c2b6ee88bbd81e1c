type DemoImage = { readonly name: string; readonly answer: string }

const DEMO_IMAGES: readonly DemoImage[] = [
  { name: 'signed:latest', answer: 'passes: signed with the key that the policy names' },
  { name: 'multiarch:latest', answer: 'passes: the signature on the index covers its images' },
  { name: 'unsigned:latest', answer: 'is refused: it has no signature' },
  { name: 'wrong-key:latest', answer: 'is refused: signed, but with another key' },
  { name: 'tampered:latest', answer: 'is refused: its signature is about other bytes' },
]

/** What to try on the demo, and what each pull will answer. */
export function demoGuide(registryUrl: string): string {
  const address = registryUrl.replace(/^https?:\/\//, '')
  const width = Math.max(...DEMO_IMAGES.map(({ name }) => name.length))
  const pulls = DEMO_IMAGES.map(
    ({ name, answer }) => `  docker pull ${address}/example.org/${name.padEnd(width)}   ${answer}`,
  )
  return [
    '',
    `Sealgate serves its demo on ${registryUrl}. Nothing else is needed; try:`,
    '',
    ...pulls,
    '',
    'or, without docker:',
    '',
    `  curl -i ${registryUrl}/v2/example.org/unsigned/manifests/latest`,
    `  npm run -s sealgate -- verify example.org/tampered:latest --config config/demo.yaml`,
    '',
    'Your own: npm start -- --config FILE (config/sealgate.yaml shows every setting). Ctrl-C stops it.',
    '',
    '',
  ].join('\n')
}
