import { closeSync } from 'node:fs';
import { arch } from 'node:process';
import { DomainError } from '#kernel';
import type { LimitLevel, PlacedSandbox, SandboxCommand, SandboxLimits } from '#sandboxes';
import { bubblewrapArguments, hiddenFiles, insidePath, OWN_FILES, systemEntries } from './bubblewrap-args.js';
import { BubblewrapExecution, FDS } from './bubblewrap-execution.js';
import { whatBubblewrapLacks } from './bubblewrap-support.js';
import { DiskSpace } from './disk-space.js';
import { HandedContent } from './handed-content.js';
import type { LimitGroups } from './limit-groups.js';
import { openLimitGroups } from './limit-ladder.js';
import { MountSources } from './mount-sources.js';
import { Processors } from './processors.js';
import { OWN_IDENTITY, type SandboxIdentity } from './sandbox-identity.js';
import { SandboxRelay } from './sandbox-relay.js';
import { isFilteredMachine, seccompFilter } from './seccomp-filter.js';
import { endStaleStarts } from './stale-starts.js';

/** More than allowed, so that looking at a command shows that it has more. */
const NOTICED_PROCESSES = 16;
/** Workspaces whose use is remembered. */
const MAX_DISKS = 10_000;
const SEARCH_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Sandboxes on this machine by bubblewrap: each command in name spaces of its own, its sandbox's limits around all. */
export class BubblewrapSandboxes {
  private readonly running = new Map<string, Set<BubblewrapExecution>>();
  /** The one used last comes last. */
  private readonly disks = new Map<string, DiskSpace>();
  private readonly system = systemEntries();
  private readonly hidden = hiddenFiles();
  private readonly processors: Processors;

  private constructor(
    private readonly groups: LimitGroups,
    /** For a sandbox that writes where others read, and for one that does not. */
    private readonly filters: { readonly shared: HandedContent; readonly alone: HandedContent },
    /** Behind the filter, in the order of the descriptors. */
    private readonly handed: readonly HandedContent[],
    private readonly searchPath: string,
    readonly identity: SandboxIdentity,
  ) {
    this.processors = Processors.ofThisProcess(searchPath);
  }

  /** On the best level that the machine offers, or the one asked for. Errors: `unavailable` with the cause and the fix. */
  static async open(
    searchPath: string,
    level?: LimitLevel,
    identify: () => Promise<SandboxIdentity> = () => Promise.resolve(OWN_IDENTITY),
  ): Promise<BubblewrapSandboxes> {
    const lack = await whatBubblewrapLacks(searchPath);
    if (lack !== null || !isFilteredMachine(arch))
      throw new DomainError('unavailable', `Sandboxes cannot run: ${lack}`, { reason: 'sandboxes_unavailable' });
    endStaleStarts();
    const identity = await identify();
    const groups = await openLimitGroups(level);
    const filters = {
      shared: HandedContent.of(seccompFilter(arch, { allowsLinks: false })),
      alone: HandedContent.of(seccompFilter(arch, { allowsLinks: true })),
    };
    const handed = OWN_FILES.map(([, content]) => HandedContent.of(content));
    return new BubblewrapSandboxes(groups, filters, handed, searchPath, identity);
  }

  get level(): LimitLevel {
    return this.groups.level;
  }

  /** Why limits are not kept better, with what to do about it; null where they are. */
  get lacks(): string | null {
    return this.groups.lacks;
  }

  /** Starts a command; its sandbox needs no start of its own. Errors: `conflict` (`scope_changed`). */
  exec(sandbox: PlacedSandbox, command: SandboxCommand): BubblewrapExecution {
    const group = this.groups.of(sandbox.id, sandbox.limits);
    const sources = MountSources.open(sandbox.workspace, sandbox.mounts);
    const relays: SandboxRelay[] = [];
    const handed: number[] = [];
    try {
      handed.push(...group.openEntries());
      const [entries, seccomp] = [handed.length, FDS.firstOpened + handed.length];
      const fds = { ...FDS, seccomp, ownFiles: seccomp + 1 };
      const firstMount = fds.ownFiles + OWN_FILES.length;
      const filter = writesWhatOthersSee(sandbox) ? this.filters.shared : this.filters.alone;
      for (const content of [filter, ...this.handed]) handed.push(content.open());
      if (sandbox.egress) relays.push(SandboxRelay.toEgress(sandbox.egress));
      if (command.model) relays.push(SandboxRelay.toModel(command.model));
      if (command.entrance !== undefined) relays.push(SandboxRelay.fromServer(command.entrance));
      const opened = sources.entries();
      const fdOf = new Map(opened.map(([mount], index) => [mount, firstMount + index]));
      const home = insidePath(sandbox.ownDirectory);
      const options = bubblewrapArguments({
        system: this.system,
        hidden: this.hidden,
        mounts: sandbox.mounts.map((mount) => ({ mount, fd: fdOf.get(mount) ?? null })),
        relays: relays.flatMap((relay, index) => relay.bind(firstMount + opened.length + index)),
        fds,
        scratchBytes: sandbox.limits.scratchBytes,
        env: { PATH: SEARCH_PATH, HOME: home, LANG: 'C.UTF-8', ...variablesOf(relays), ...command.env },
        cwd: command.cwd ?? home,
        argv: command.argv,
      });
      const execution = new BubblewrapExecution(
        {
          options,
          argv: this.bounded(
            relays.reduce<readonly string[]>((argv, relay) => relay.wrap(argv), command.argv),
            sandbox.limits,
          ),
          within: this.processors.become(sandbox.id, sandbox.limits.cpus),
          uid: this.identity.startedAs,
          searchPath: this.searchPath,
          entries,
          opened: [...handed, ...opened.map(([, place]) => place), ...relays.map(({ fd }) => fd)],
          timeoutMs: command.timeoutMs,
          outputBytes: command.outputBytes,
          limits: sandbox.limits,
          isHeld: command.isHeld ?? false,
          isWatched: this.groups.level === 'supervised',
        },
        group,
        this.diskOf(sandbox.workspace),
      );
      this.keep(sandbox.id, execution);
      return execution;
    } finally {
      // bwrap has its own copies since it was spawned.
      sources.close();
      for (const relay of relays) relay.close();
      for (const fd of handed) closeSync(fd);
    }
  }

  /** Ends every command of the sandbox; resolves when none of its processes is left. Its files stay. */
  async stop(sandboxId: string): Promise<void> {
    await Promise.all([...(this.running.get(sandboxId) ?? [])].map((execution) => execution.kill()));
    await this.groups.remove(sandboxId);
    this.processors.forget(sandboxId);
  }

  /** Ends everything; for the end of this process. */
  async close(): Promise<void> {
    await Promise.all([...this.running.keys()].map((sandboxId) => this.stop(sandboxId)));
    await this.groups.close();
    for (const content of [...Object.values(this.filters), ...this.handed]) content.close();
  }

  /**
   * Without a group, what a command may start is bounded for its user name space, or a fork bomb would have the machine
   * before anybody looks. The kernel does not hold root to that: who lets sandboxes be root has no such bound.
   */
  private bounded(argv: readonly string[], { processes }: SandboxLimits): readonly string[] {
    if (this.groups.level !== 'supervised' || this.identity.uid === 0) return argv;
    return ['prlimit', `--nproc=${processes + NOTICED_PROCESSES}`, '--', ...argv];
  }

  /** One for all sandboxes of a workspace. */
  private diskOf(workspace: string): DiskSpace {
    const disk = this.disks.get(workspace) ?? new DiskSpace(workspace, this.searchPath);
    this.disks.delete(workspace);
    this.disks.set(workspace, disk);
    if (this.disks.size > MAX_DISKS) this.disks.delete(this.disks.keys().next().value!);
    return disk;
  }

  private keep(sandboxId: string, execution: BubblewrapExecution): void {
    const executions = this.running.get(sandboxId) ?? new Set();
    this.running.set(sandboxId, executions.add(execution));
    const forget = (): void => {
      executions.delete(execution);
      if (executions.size === 0 && this.running.get(sandboxId) === executions) this.running.delete(sandboxId);
    };
    execution.exit.then(forget, forget);
  }
}

/** There a second name could show one sandbox what only another one may see (sandbox-sessions.md §B5.2). */
function writesWhatOthersSee({ mounts, ownDirectory }: PlacedSandbox): boolean {
  const own = ownDirectory.join('/');
  return mounts.some(({ kind, path }) => kind === 'write' && path.join('/') !== own);
}

function variablesOf(relays: readonly SandboxRelay[]): Record<string, string> {
  return Object.assign({}, ...relays.map(({ env }) => env)) as Record<string, string>;
}
