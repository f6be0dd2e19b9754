import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { setPriority } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { DomainError } from '#kernel';

/** One run of git, ready to start. */
export interface GitRun {
  readonly args: readonly string[];
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
}

export interface GitLimits {
  /** Wall time after which the child is killed. */
  readonly seconds: number;
  /** Bytes of standard output after which the child is killed; only `collect` and `eachLine` count. */
  readonly outputBytes?: number;
  /** Runs behind everything else (maintenance). */
  readonly background?: boolean;
}

export interface GitExit {
  /** Null when the child was stopped on purpose with `stop()`. */
  readonly code: number | null;
  readonly stderr: string;
}

const STDERR_KEPT = 8 * 1024;
const BACKGROUND_NICENESS = 10;
const GRACE_MS = 5_000;
const running = new Set<GitChild>();

/** Ends every git process of this runner with its own children: at once, or maintenance as soon as it has tidied up. */
export function killAllGitChildren(): void {
  for (const child of running) child.stop();
}

/**
 * One git process under limits. It leads its own process group, so that stopping it also stops the processes git
 * starts by itself (pack-objects below upload-pack or repack).
 */
export class GitChild {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Settles when git is gone and its output read; rejects with `timeout` or `unavailable` when it was killed. */
  readonly exit: Promise<GitExit>;
  private readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  private stderr = '';
  private stopped = false;
  private failure: DomainError | null = null;

  constructor(
    run: GitRun,
    private readonly limits: GitLimits,
    signal: AbortSignal,
  ) {
    if (signal.aborted) throw callerGone();
    this.child = spawn('git', run.args, {
      cwd: run.folder,
      env: run.environment,
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    running.add(this);
    this.stdin = this.child.stdin;
    this.stdout = this.child.stdout;
    // A child that dies early closes its end of the pipe; its exit says why, the write error adds nothing.
    this.stdin.on('error', () => undefined);
    this.child.stderr.setEncoding('latin1');
    this.child.stderr.on('data', (text: string) => (this.stderr = (this.stderr + text).slice(-STDERR_KEPT)));
    if (limits.background && this.child.pid) setPriority(this.child.pid, BACKGROUND_NICENESS);
    this.exit = this.untilExit(signal);
    this.exit.catch(() => undefined);
  }

  /** Kills the group; `exit` then resolves with code null. Safe to call twice. */
  stop(): void {
    this.stopped = true;
    this.killGroup();
  }

  /** Kills the group; `exit` then rejects with `failure`. */
  fail(failure: DomainError): void {
    this.failure ??= failure;
    this.killGroup();
  }

  /** Reads all output. @throws payload_too_large beyond the output limit */
  async collect(): Promise<{ exit: GitExit; output: string }> {
    const parts: Buffer[] = [];
    let size = 0;
    for await (const chunk of this.stdout as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (this.limits.outputBytes !== undefined && size > this.limits.outputBytes) this.fail(outputTooLarge());
      else parts.push(chunk);
    }
    return { exit: await this.exit, output: Buffer.concat(parts).toString('utf8') };
  }

  /** Calls `visit` with each line of output; when it returns false the child is stopped. */
  async eachLine(visit: (line: string) => boolean): Promise<GitExit> {
    let rest = '';
    for await (const chunk of this.stdout as AsyncIterable<Buffer>) {
      if (this.stopped) continue;
      const lines = (rest + chunk.toString('latin1')).split('\n');
      rest = lines.pop() ?? '';
      if (!lines.every(visit)) this.stop();
    }
    return this.exit;
  }

  private killGroup(): void {
    // Maintenance is asked to go: git then removes its locks, and one that stayed would stop all later maintenance.
    this.signalGroup(this.limits.background ? 'SIGTERM' : 'SIGKILL');
    if (this.limits.background) setTimeout(() => this.signalGroup('SIGKILL'), GRACE_MS).unref();
  }

  private signalGroup(signal: NodeJS.Signals): void {
    if (this.child.pid === undefined || !running.has(this)) return;
    try {
      process.kill(-this.child.pid, signal);
    } catch (error) {
      // The group may have ended between the check and the signal.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  private untilExit(signal: AbortSignal): Promise<GitExit> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.fail(tookTooLong(this.limits.seconds)), this.limits.seconds * 1000);
      const onAbort = (): void => this.fail(callerGone());
      signal.addEventListener('abort', onAbort, { once: true });
      const settle = (finish: () => void): void => {
        running.delete(this);
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        finish();
      };
      this.child.once('error', (cause) =>
        settle(() => reject(new DomainError('unavailable', 'git could not be started', { cause }))),
      );
      this.child.once('close', (code) =>
        settle(() =>
          this.failure ? reject(this.failure) : resolve({ code: this.stopped ? null : code, stderr: this.stderr }),
        ),
      );
    });
  }
}

function callerGone(): DomainError {
  return new DomainError('unavailable', 'The caller is gone');
}

function tookTooLong(seconds: number): DomainError {
  return new DomainError('timeout', `git took longer than ${seconds} s`);
}

function outputTooLarge(): DomainError {
  return new DomainError('payload_too_large', 'git produced more output than allowed');
}
