import { execFile } from 'node:child_process'

export const CANARY_CLIENTS = ['podman', 'docker', 'crictl', 'ctr', 'skopeo'] as const
export type CanaryClient = (typeof CANARY_CLIENTS)[number]

/** Arrived: enforcement is off. Refused: by the gate, in its words. Unclear: it failed, but not by our refusal. */
export type CanaryOutcome = { readonly outcome: 'arrived' | 'refused' | 'unclear'; readonly output: string }

const REFUSAL = 'blocked by image policy'
const PULL_MS = 120_000

/** Pulls an image that the policy always refuses, by the node's own client, and reads what it printed. */
export async function pullCanary(client: CanaryClient, image: string): Promise<CanaryOutcome> {
  const { failed, output } = await runClient(client, argsOf(client, image))
  if (!failed) return { outcome: 'arrived', output }
  return { outcome: output.includes(REFUSAL) ? 'refused' : 'unclear', output }
}

function argsOf(client: CanaryClient, image: string): readonly string[] {
  switch (client) {
    case 'podman':
    case 'docker':
    case 'crictl':
      return ['pull', image]
    case 'ctr':
      return ['images', 'pull', '--hosts-dir', '/etc/containerd/certs.d', image]
    case 'skopeo':
      return ['inspect', '--raw', `docker://${image}`]
  }
}

async function runClient(
  program: string,
  args: readonly string[],
): Promise<{ readonly failed: boolean; readonly output: string }> {
  return new Promise(resolve => {
    execFile(program, args, { timeout: PULL_MS, maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) => {
      resolve({ failed: error !== null, output: `${stdout}${stderr}${error?.message ?? ''}` })
    })
  })
}
