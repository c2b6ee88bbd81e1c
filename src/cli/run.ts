import { Command, CommanderError, InvalidArgumentError } from 'commander'
import type { DoctorOptions } from './doctor.ts'
import type { ReplayFlags } from './policy-replay.ts'
import { EXIT, type Terminal } from './terminal.ts'

const CONFIG_FLAG = '-c, --config <file>'
const CONFIG_HELP = 'configuration file (YAML; config/sealgate.yaml has every setting)'

/**
 * The command line. Each command's own parts are read when it is run: a gate needs none of the doctor's.
 *
 * @param args without the program's own name
 * @returns the exit code
 */
export async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  let exitCode: number = EXIT.ok
  const program = new Command('sealgate')
    .description(
      'A verifying proxy in front of OCI registries: an image leaves only when policy.json accepts its bytes.',
    )
    .exitOverride()
    .configureOutput({ writeOut: terminal.stdout, writeErr: terminal.stderr })
    .showHelpAfterError('(sealgate COMMAND --help tells more)')

  program
    .command('serve')
    .description('run the gate; without a configuration, on the demo images it brings along')
    .option(CONFIG_FLAG, CONFIG_HELP)
    .option('-w, --workers <n>', 'processes that share the one port (docs/operations.md)', parseWorkers, 1)
    .addHelpText('after', '\nExample:\n  sealgate serve --config /etc/sealgate/sealgate.yaml')
    .action(async ({ config, workers }: { config?: string; workers: number }) => {
      if (workers === 1) {
        const { serve } = await import('./serve.ts')
        exitCode = await serve(config, terminal)
        return
      }
      const { serveMany } = await import('./serve-many.ts')
      exitCode = await serveMany(config, workers, terminal)
    })

  program
    .command('verify')
    .argument('<image>', 'host/repository:tag or host/repository@digest, as the policy names it')
    .description('judge one image as the gate would, and print the whole decision')
    .requiredOption(CONFIG_FLAG, CONFIG_HELP)
    .option('--json', 'print the decision as JSON')
    .addHelpText(
      'after',
      '\nExit code: 0 accepted, 1 refused, 2 undecided (something could not be found out).' +
        '\n\nExample:\n  sealgate verify example.org/test:cosign-signed --config sealgate.yaml',
    )
    .action(async (image: string, options: { config: string; json?: boolean }) => {
      const { verifyImage } = await import('./verify.ts')
      exitCode = await verifyImage(image, options.config, options.json === true ? 'json' : 'tree', terminal)
    })

  const policy = program.command('policy').description('work with policy.json files')
  policy
    .command('check')
    .argument('<file>', 'policy.json (containers-policy.json(5))')
    .description('check a policy file: every error with its JSON path, line and column')
    .option('--keys', 'also read the keys it names, and list them')
    .option(CONFIG_FLAG, 'with --keys: ask the key broker and TUF repository of this configuration')
    .addHelpText('after', '\nExit code: 0 usable (warnings may be printed), 1 not usable.')
    .action(async (file: string, options: { keys?: boolean; config?: string }) => {
      const depth =
        options.keys === true
          ? ({ keys: 'follow', configFile: options.config } as const)
          : ({ keys: 'ignore' } as const)
      const { checkPolicy } = await import('./policy-check.ts')
      exitCode = await checkPolicy(file, depth, terminal)
    })

  policy
    .command('replay')
    .description('judge the pulls of an audit log again under another policy, and print what would change')
    .requiredOption('--audit <files...>', 'audit log (JSON lines); the oldest file first')
    .requiredOption('--policy <file>', 'the policy.json to try: a path, or kbs:///… at the key broker')
    .requiredOption(CONFIG_FLAG, CONFIG_HELP)
    .addHelpText(
      'after',
      '\nExit code: 0 nothing would change, 1 something would, 2 something could not be judged again.' +
        '\n\nExample:\n  sealgate policy replay --audit audit.jsonl.1 audit.jsonl --policy next.json --config sealgate.yaml',
    )
    .action(async (options: ReplayFlags) => {
      const { replayAudit } = await import('./policy-replay.ts')
      exitCode = await replayAudit(options, terminal)
    })

  program
    .command('keys')
    .description('list, for the policy in force, each scope, where its keys come from, and their fingerprints')
    .requiredOption(CONFIG_FLAG, CONFIG_HELP)
    .option('--json', 'print the list as JSON')
    .action(async (options: { config: string; json?: boolean }) => {
      const { listKeys } = await import('./keys.ts')
      exitCode = await listKeys(options.config, options.json === true ? 'json' : 'table', terminal)
    })

  program
    .command('client-config')
    .argument('<client>', 'docker, containerd, podman, crio, k3s or buildkit')
    .description('print the files for a node with which a client does not fall back to the origin')
    .requiredOption(CONFIG_FLAG, CONFIG_HELP)
    .option('--gate <host:port>', 'the gate as nodes reach it; default: the address it listens on')
    .option('--client-version <version>', 'the version of the client on the node')
    .option('--ca <file>', "path on the node of the CA of the gate's certificate")
    .action(async (client: string, options: { config: string; gate?: string; clientVersion?: string; ca?: string }) => {
      const { printClientConfig } = await import('./client-config.ts')
      exitCode = await printClientConfig(client, options, terminal)
    })

  program
    .command('doctor')
    .description('look in the configuration of a node for ways round the gate, and prove that it refuses')
    .option('--root <directory>', 'where the file system of the node is', '/')
    .option(CONFIG_FLAG, CONFIG_HELP)
    .option('--gate <host:port>', 'the gate as nodes reach it; default: the address it listens on')
    .option('--registry <hosts...>', 'registries that the gate serves; default: those of the configuration')
    .option('--canary <image>', 'NAME:TAG[@DIGEST] that the policy always refuses; pulled by tag and by digest')
    .option('--client <program>', 'pulls the canary: podman, docker, crictl, ctr or skopeo', 'podman')
    .addHelpText('after', '\nExit code: 0 closed, 1 open, 2 could not tell.')
    .action(async (options: DoctorOptions) => {
      const { examineNode } = await import('./doctor.ts')
      exitCode = await examineNode(options, terminal)
    })

  try {
    await program.parseAsync([...args], { from: 'user' })
  } catch (error) {
    // Commander has printed what was wrong, or the help that was asked for.
    if (!(error instanceof CommanderError)) throw error
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage
  }
  return exitCode
}

const MAX_WORKERS = 64

function parseWorkers(text: string): number {
  const workers = /^[1-9][0-9]?$/.test(text) ? Number(text) : 0
  if (workers < 1 || workers > MAX_WORKERS)
    throw new InvalidArgumentError(`Expected a number from 1 to ${MAX_WORKERS}.`)
  return workers
}
