import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { DomainError, roomIn } from '#kernel';
import type { ExitFacts, Execution, SandboxLimits } from '#sandboxes';
import { CappedOutput } from './capped-output.js';
import type { DiskSpace } from './disk-space.js';
import { ForkStorm } from './fork-storm.js';
import type { LimitGroup } from './limit-groups.js';
import { isAlive, memoryOf, signalAll, treeOf, writtenBy } from './process-tree.js';
import { ownerVariable } from './stale-starts.js';

const GRACE_MS = 2_000;
const WATCH_EVERY_MS = 100;
/** At how many of these looks the disk is one of them; for who writes fast it is at each. */
const WATCH_DISK_EVERY = 3;
const FAST_BYTES = 8 * 1_048_576;
/** At each look, of each process that cannot be looked into. */
const ASSUMED_BYTES = 1_048_576;
/** A command with more of its sandbox's processes than this is one of those that ask for more. */
const BOMB_SHARE = 1 / 16;
const PAGE_BYTES = 4_096;
const STDERR_KEPT = 2_000;
const SIGNAL_EXITS = 128;
const KILLED = SIGNAL_EXITS + constants.signals.SIGKILL;
const FILE_TOO_LARGE = SIGNAL_EXITS + constants.signals.SIGXFSZ;
/** As shells have it. */
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;

/** The descriptors of bwrap after the three that every program has; what it is given opened comes behind them. */
export const FDS = { args: 3, status: 4, gate: 5, firstOpened: 6 } as const;

export interface Launch {
  /** For `bwrap --args`. */
  readonly options: readonly string[];
  /** A command that becomes the next one where it is to run; empty for anywhere. */
  readonly within: readonly string[];
  /** The user and group to be; null to stay who one is. */
  readonly uid: number | null;
  readonly argv: readonly string[];
  /** How many entries of groups lead `opened`. The shell knows descriptors of one digit: four at the most. */
  readonly entries: number;
  /** From `FDS.firstOpened` on, in the order in which the options count them. */
  readonly opened: readonly number[];
  /** Where bwrap is found. */
  readonly searchPath: string;
  readonly timeoutMs: number;
  readonly outputBytes: number;
  readonly limits: SandboxLimits;
  /** The command waits at the gate until `begin`. */
  readonly isHeld: boolean;
  /** Limits are kept by looking at the processes, because no group of the kernel keeps them. */
  readonly isWatched: boolean;
}

/** One command in a bubblewrap of its own. */
export class BubblewrapExecution implements Execution {
  readonly output: CappedOutput;
  readonly exit: Promise<ExitFacts>;
  private readonly child: ChildProcess;
  private readonly startedAt = performance.now();
  private readonly oomKillsBefore: number;
  private readonly gone: Promise<unknown>;
  private readonly timers: NodeJS.Timeout[] = [];
  /** The sandbox's first process; never, when bwrap ends before it has made one. */
  private readonly init: Promise<number>;
  private readonly joined: Promise<void>;
  private isAtGate = true;
  private status = '';
  private written = 0;
  private assumed = 0;
  private looks = 0;
  private isWritingFast = false;
  private stderr = '';
  private failure: DomainError | null = null;
  private ending: 'timedOut' | 'cancelled' | 'oomKilled' | 'tooManyProcesses' | 'diskFull' | null = null;

  constructor(
    launch: Launch,
    private readonly group: LimitGroup,
    disk: DiskSpace,
  ) {
    this.oomKillsBefore = group.oomKills();
    const bwrap = [...launch.within, 'bwrap', '--args', String(FDS.args), '--', ...launch.argv];
    const [program, ...args] = [...entering(launch.entries), ...bwrap];
    this.child = spawn(program!, args, {
      env: { PATH: launch.searchPath, ...ownerVariable() },
      cwd: '/',
      ...(launch.uid !== null && { uid: launch.uid, gid: launch.uid }),
      stdio: [...Array<'pipe'>(FDS.firstOpened).fill('pipe'), ...launch.opened],
    });
    const { stdout, stderr } = this.child as { stdout: Readable; stderr: Readable };
    this.output = new CappedOutput({ stdout, stderr }, launch.outputBytes);
    stderr.on('data', (data: Buffer) => {
      if (this.stderr.length < STDERR_KEPT) this.stderr += data.toString('latin1');
    });
    this.feed(FDS.args, launch.options.map((option) => `${option}\0`).join(''));
    this.init = this.untilInit();
    this.joined = this.join(group.joinedBy);
    this.joined.catch((cause: unknown) => this.fail(couldNotStart(cause)));
    if (!launch.isHeld) this.begin();
    // A command that does not read its input closes it; its exit says why, the write error adds nothing.
    this.child.stdin!.on('error', () => undefined);
    this.gone = this.untilGone();
    this.exit = this.untilExit();
    this.exit.catch(() => undefined);
    this.timers.push(setTimeout(() => this.end('timedOut'), launch.timeoutMs));
    const storm = new ForkStorm(() => group.refusedForks());
    const watch = (): void => {
      try {
        if (launch.isWatched) this.watch(launch.limits);
        else this.watchForks(storm, launch.limits);
        this.watchDisk(disk, launch.limits);
      } catch (cause) {
        this.fail(cannotBeKept(cause));
      }
    };
    this.timers.push(setInterval(watch, WATCH_EVERY_MS));
  }

  begin(): void {
    this.joined.then(() => this.openGate()).catch(() => undefined);
  }

  async write(data: Buffer | null): Promise<void> {
    const stdin = this.child.stdin!;
    if (stdin.destroyed || stdin.writableEnded) return;
    if (data === null) stdin.end();
    else if (!stdin.write(data)) await roomIn(stdin);
  }

  signal(name: NodeJS.Signals): void {
    // The first one is bwrap's own, which collects what the others leave.
    signalAll(this.tree().slice(1), name);
  }

  cancel(): void {
    this.end('cancelled');
  }

  /** Without grace; resolves when nothing of the command runs any more, whether its output is read or not. */
  async kill(): Promise<void> {
    this.ending ??= 'cancelled';
    this.killTree();
    // What could not be started is gone, too.
    await this.gone.catch(() => undefined);
  }

  private end(reason: NonNullable<BubblewrapExecution['ending']>): void {
    if (this.ending || this.hasExited) return;
    this.ending = reason;
    // What has not begun has nothing to tidy up.
    if (this.isAtGate) return this.killTree();
    this.signal('SIGTERM');
    this.timers.push(setTimeout(() => this.killTree(), GRACE_MS));
  }

  /** Outside of its groups, or when nobody can look at it, a command would be without limits: it ends. */
  private fail(failure: DomainError): void {
    this.failure = failure;
    this.killTree();
  }

  /**
   * With the first process of a name space the kernel ends all others. Before it is known it may be there: a bwrap that is
   * killed then would leave it waiting for its parent forever. So it is waited for; the gate stays closed meanwhile.
   */
  private killTree(): void {
    const init = this.initPid();
    if (init === null) void this.init.then(() => this.killKnown());
    else this.killKnown();
  }

  private killKnown(): void {
    const init = this.initPid();
    if (init !== null) signalAll([init], 'SIGKILL');
  }

  /** What the kernel does where it has groups: memory and numbers, seen every tenth of a second. */
  private watch(limits: SandboxLimits): void {
    const pids = this.tree();
    const reason =
      pids.length > limits.processes
        ? 'tooManyProcesses'
        : memoryOf(pids, PAGE_BYTES) > limits.memoryBytes
          ? 'oomKilled'
          : null;
    if (reason === null) return;
    this.ending ??= reason;
    this.killTree();
  }

  /** The kernel keeps the number of processes; who does not mind its refusals is a bomb, and ended. */
  private watchForks(storm: ForkStorm, { processes }: SandboxLimits): void {
    if (!storm.isRaging() || this.tree().length <= processes * BOMB_SHARE) return;
    if (this.ending !== 'tooManyProcesses') this.group.noteStorm();
    this.ending ??= 'tooManyProcesses';
    this.killTree();
  }

  /** No file system here keeps quotas: whoever writes when there is no room left is ended. */
  private watchDisk(disk: DiskSpace, { diskBytes }: SandboxLimits): void {
    this.looks += 1;
    if (!this.isWritingFast && this.looks % WATCH_DISK_EVERY !== 0) return;
    const before = this.written;
    const written = writtenBy(this.tree());
    // What cannot be looked into is taken to write, so that the workspace is measured now and then.
    this.assumed += written.filter((bytes) => bytes === null).length * ASSUMED_BYTES;
    this.written = Math.max(before, this.assumed + written.reduce<number>((sum, bytes) => sum + (bytes ?? 0), 0));
    this.isWritingFast = this.written - before >= FAST_BYTES;
    if (!disk.write(this.written - before, diskBytes, this.startedAt)) return;
    this.ending ??= 'diskFull';
    this.killTree();
  }

  private tree(): number[] {
    const init = this.initPid();
    return init === null ? [] : treeOf(init);
  }

  private initPid(): number | null {
    const pid = /"child-pid": *(\d+)/.exec(this.status)?.[1];
    // Once bwrap is gone the number may be anybody's.
    return pid === undefined || this.hasExited ? null : Number(pid);
  }

  private get hasExited(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  private async untilGone(): Promise<void> {
    try {
      await once(this.child, 'exit');
    } catch (cause) {
      // Nobody is at their other end, and nobody ever was.
      for (const stream of this.child.stdio) stream?.destroy();
      throw couldNotStart(cause);
    } finally {
      for (const timer of this.timers) clearTimeout(timer);
    }
    // What the command left running in the background goes with its name space, a moment after bwrap.
    const init = Number(/"child-pid": *(\d+)/.exec(this.status)?.[1] ?? 0);
    while (init !== 0 && isAlive(init)) {
      signalAll([init], 'SIGKILL');
      await pause(1);
    }
  }

  private async untilExit(): Promise<ExitFacts> {
    const closed = once(this.child, 'close');
    // What could not be started ends both promises, and only one of them is waited for.
    closed.catch(() => undefined);
    await this.gone;
    await closed;
    if (this.failure) throw this.failure;
    const oomKilled = this.ending === 'oomKilled' || this.group.oomKills() > this.oomKillsBefore;
    const code = this.reportedCode() ?? (this.ending || oomKilled ? KILLED : this.codeOfFailedStart());
    return {
      code,
      signal: signalOf(code),
      timedOut: this.ending === 'timedOut',
      oomKilled,
      tooManyProcesses: this.ending === 'tooManyProcesses',
      diskFull: this.ending === 'diskFull' || (this.ending === null && code === FILE_TOO_LARGE),
      cancelled: this.ending === 'cancelled',
      truncated: this.output.truncated,
      durationMs: Math.round(performance.now() - this.startedAt),
    };
  }

  private reportedCode(): number | null {
    const code = /"exit-code": *(\d+)/.exec(this.status)?.[1];
    return code === undefined ? null : Number(code);
  }

  /** bwrap has said why on the error stream, and nothing else has run: what it says is not a command's to forge. */
  private codeOfFailedStart(): number {
    const reason = this.stderr.trim();
    if (reason.startsWith('bwrap: execvp '))
      return reason.endsWith('No such file or directory') ? NOT_FOUND : NOT_EXECUTABLE;
    if (reason.startsWith("bwrap: Can't chdir to "))
      throw new DomainError('invalid_input', 'The working directory is not there', { field: 'cwd' });
    throw couldNotStart(new Error(reason));
  }

  /**
   * Makes the sandbox's first process one of each group, and so all that comes after it. bwrap's own joins one as soon as
   * it is there: the kernel takes its time over the first change after a while, and the sandbox is made meanwhile.
   */
  private async join(groups: readonly string[]): Promise<void> {
    if (this.child.pid !== undefined) await this.joinAs(this.child.pid, groups.slice(0, 1));
    await this.joinAs(await this.init, groups);
  }

  private async joinAs(pid: number, groups: readonly string[]): Promise<void> {
    for (const file of groups) if (!this.hasExited) await writeFile(file, String(pid)).catch(ifGone);
  }

  private untilInit(): Promise<number> {
    return new Promise((resolve) =>
      this.stream(FDS.status).on('data', (data: Buffer) => {
        this.status += data.toString('latin1');
        const init = this.initPid();
        if (init !== null) resolve(init);
      }),
    );
  }

  private openGate(): void {
    if (!this.isAtGate || this.ending) return;
    this.isAtGate = false;
    this.feed(FDS.gate, '.');
  }

  private feed(fd: number, content: string | Buffer): void {
    const stream = this.stream(fd);
    // bwrap may end before it has read everything; its exit says why.
    stream.on('error', () => undefined);
    stream.end(content);
  }

  private stream(fd: number): Readable & Writable {
    return this.child.stdio[fd] as Readable & Writable;
  }
}

/** A command that enters the groups whose entries are open, closes those and becomes the next one. */
function entering(entries: number): string[] {
  if (entries === 0) return [];
  const fds = Array.from({ length: entries }, (_, index) => FDS.firstOpened + index);
  const enter = fds.map((fd) => `echo 0 >&${fd}`).join(' && ');
  const close = fds.map((fd) => `${fd}>&-`).join(' ');
  return ['/bin/sh', '-c', `${enter} || exit 125; exec ${close}; exec "$@"`, 'sh'];
}

/** A process that has ended joins nothing; its exit says why it has. */
function ifGone(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ESRCH') throw error;
}

function signalOf(code: number): NodeJS.Signals | null {
  const names = Object.entries(constants.signals) as [NodeJS.Signals, number][];
  return names.find(([, number]) => SIGNAL_EXITS + number === code)?.[0] ?? null;
}

function couldNotStart(cause: unknown): DomainError {
  return new DomainError('unavailable', 'The sandbox could not be started', { reason: 'sandbox_failed', cause });
}

function cannotBeKept(cause: unknown): DomainError {
  return new DomainError('unavailable', 'The limits of the sandbox could not be kept', {
    reason: 'sandbox_failed',
    cause,
  });
}
