import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { geteuid } from 'node:process';
import { DomainError, encodeFrame } from '#kernel';
import { RunnerConnection, RunnerProcess } from '#platform';
import type { Egress } from '../egress/egress.js';
import { mountPlan, skillMounts } from './mount-plan.js';
import { RemoteExecution } from './remote-execution.js';
import type { CommandFrame, ExecRequest, SandboxOperations } from './runner-protocol.js';
import {
  type Execution,
  type SandboxCommand,
  type SandboxPlace,
  SandboxProvider,
  type SandboxSupport,
} from './sandbox-provider.js';

export interface RunnerSandboxesOptions {
  /** The folder that all workspaces are in. */
  readonly workspaces: string;
  /** The user of this machine as whom sandboxes run when the server is root; 0 to let them be root. */
  readonly uid: number;
  /** Folders where bwrap is looked for (a PATH); by default the system's usual ones. */
  readonly searchPath?: string;
  /** How long a file may get that a program in a sandbox writes; any length when left out. */
  readonly fileBytes?: number;
  /** The ways out of sandboxes; none when left out. */
  readonly egress?: Pick<Egress, 'doorOf'>;
}

const WINDOW = 'workspaces';

/** What shells count the length of files in. */
const BLOCK_BYTES = 512;

/** Inherited by all: no crash of a program in a sandbox writes its memory onto the disk of the machine, for one. */
const bounds = (fileBytes = Infinity): string =>
  `ulimit -c 0; ulimit -f ${Number.isFinite(fileBytes) ? Math.ceil(fileBytes / BLOCK_BYTES) : 'unlimited'}`;
const WITHOUT_WINDOW = 'exec "$@"';

/**
 * Gives the runner a mount name space with the workspaces in a second place, which a user can reach who may not enter
 * the folders above the first; without the right to do so it starts as it is, and says what that means.
 */
const WITH_WINDOW = `
  mkdir -p -m 711 "$1" "$2" && chmod 711 "\${2%/*}"
  if unshare --mount --propagation slave true 2>/dev/null; then
    exec unshare --mount --propagation slave /bin/sh -c 'mount --rbind "$1" "$2"; shift 2; exec "$@"' sh "$@"
  fi
  shift 2; exec "$@"`;

/** Sandboxes by way of the sandbox runner, a process of its own that is started when it is first needed. */
export class RunnerSandboxes extends SandboxProvider {
  private readonly process: RunnerProcess;
  private readonly connection: RunnerConnection;
  private readonly egress: RunnerSandboxesOptions['egress'];

  constructor({ workspaces, uid, searchPath, fileBytes, egress }: RunnerSandboxesOptions) {
    super();
    this.egress = egress;
    const isRoot = geteuid!() === 0;
    this.process = new RunnerProcess({
      name: 'sandbox',
      entry: 'apps/runner/src/sandbox-main.js',
      args: ['--workspaces', workspaces, '--uid', String(uid)],
      ...(searchPath !== undefined && { searchPath }),
      ...(isRoot && { argsIn: (folder) => ['--window', join(folder, WINDOW)] }),
      within: (folder) => [
        ...['/bin/sh', '-c', `${bounds(fileBytes)}; ${isRoot ? WITH_WINDOW : WITHOUT_WINDOW}`, 'sh'],
        ...(isRoot ? [workspaces, join(folder, WINDOW)] : []),
      ],
    });
    this.connection = new RunnerConnection(this.process);
  }

  /** Process id of the runner now running, for tests. */
  get pid(): number | undefined {
    return this.process.pid;
  }

  support(): Promise<SandboxSupport> {
    return this.connection.ask<SandboxOperations['support']['result']>('support', null);
  }

  async exec({ workspace, scope, limits, skills = [] }: SandboxPlace, command: SandboxCommand): Promise<Execution> {
    const { sandboxId: id, ownDirectory } = scope;
    const egress = command.isOffline ? null : ((await this.egress?.doorOf(id)) ?? null);
    const mounts = [...mountPlan(scope), ...skillMounts(skills)];
    const request: ExecRequest = { sandbox: { id, workspace, mounts, ownDirectory, limits, egress }, command };
    const orders = new PassThrough();
    const first: CommandFrame = 'c';
    orders.write(encodeFrame(first, JSON.stringify(request)));
    const reports = await this.connection.converse('exec', null, orders);
    return new RemoteExecution(orders, reports);
  }

  async stop(sandboxId: string): Promise<void> {
    // Nothing runs where nothing was ever started.
    if (!this.process.isStarted) return;
    const ask = (): Promise<null> => this.connection.ask('stop', { sandboxId });
    // What a runner that dies meanwhile had started dies with it, so the next one has no less to say.
    await ask().catch((error: unknown) => {
      if (error instanceof DomainError && error.code === 'unavailable') return ask();
      throw error;
    });
  }

  diskUsage(workspace: string): Promise<number> {
    return this.connection.ask<SandboxOperations['usage']['result']>('usage', { workspace });
  }

  close(): Promise<void> {
    return this.process.close();
  }
}
