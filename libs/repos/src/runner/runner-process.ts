import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { compiledEntry, DomainError } from '#kernel';
import type { RunnerEndpoint } from './runner-connection.js';

export interface RunnerProcessOptions {
  /** Folder below which all repositories lie; the runner refuses others. */
  readonly root: string;
  /** Also serve the yardsticks of the benchmark. */
  readonly bench?: boolean;
  /** Folders where git is looked for (a PATH); by default the system's usual ones. */
  readonly searchPath?: string;
  /** Arms a fault point (`name:nth`) in the first runner started, for crash tests. */
  readonly fault?: string;
}

type Child = ChildProcessByStdio<Writable, Readable, null>;

const USUAL_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 5_000;
/** A runner that lived this long was healthy: its death starts the pauses from the beginning. */
const HEALTHY_AFTER_MS = 10_000;
const START_TIMEOUT_MS = 20_000;
const SETTLE_MS = 200;
const CLOSE_TIMEOUT_MS = 5_000;
const HEAP_MEGABYTES = 64;
/** A unix socket's path may not exceed 107 bytes. */
const LONGEST_FOLDER = 80;

/** Keeps one runner process alive: a fresh 0700 folder, a socket per incarnation, restarts with growing pauses. */
export class RunnerProcess implements RunnerEndpoint {
  private readonly folder = mkdtempSync(join(tmpdir().length < LONGEST_FOLDER ? tmpdir() : '/tmp', 'git-runner-'));
  private child: Child | null = null;
  private ready: Promise<string> | null = null;
  private incarnation = 0;
  private pause = FIRST_PAUSE_MS;
  private restart: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(private readonly options: RunnerProcessOptions) {}

  get pid(): number | undefined {
    return this.child?.pid;
  }

  async start(): Promise<void> {
    await this.launch();
  }

  /** The socket of the living runner; waits for a restart that is under way. @throws unavailable */
  async socket(signal?: AbortSignal): Promise<string> {
    const until = Date.now() + START_TIMEOUT_MS;
    while (!this.closed && !signal?.aborted && Date.now() < until) {
      if (this.ready) return this.ready;
      await new Promise((resolve) => setTimeout(resolve, FIRST_PAUSE_MS));
    }
    throw notAvailable();
  }

  /** Waits a moment for the runner's end, if it is ending. */
  async settle(): Promise<void> {
    const { child } = this;
    if (!child || !isRunning(child)) return;
    await Promise.race([once(child, 'exit'), pause(SETTLE_MS, undefined, { ref: false })]);
  }

  /** Idempotent. The runner leaves when its standard input closes; one that does not is killed. */
  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.restart);
    const { child } = this;
    if (child && isRunning(child)) {
      const gone = once(child, 'exit');
      const timer = setTimeout(() => child.kill('SIGKILL'), CLOSE_TIMEOUT_MS);
      child.stdin.end();
      await gone;
      clearTimeout(timer);
    }
    rmSync(this.folder, { recursive: true, force: true });
  }

  private launch(): Promise<string> {
    this.incarnation += 1;
    const socket = join(this.folder, `${this.incarnation}.sock`);
    const started = Date.now();
    const child = this.spawn(socket);
    this.child = child;
    this.ready = untilReady(child, socket);
    // Whoever waits for the runner sees the failure; without a waiter the restart below is the answer to it.
    this.ready.catch(() => undefined);
    child.once('exit', () => {
      this.ready = null;
      if (Date.now() - started > HEALTHY_AFTER_MS) this.pause = FIRST_PAUSE_MS;
      if (this.closed) return;
      this.restart = setTimeout(() => void this.launch().catch(() => undefined), this.pause);
      this.pause = Math.min(this.pause * 2, LONGEST_PAUSE_MS);
    });
    return this.ready;
  }

  private spawn(socket: string): Child {
    const { root, bench, fault } = this.options;
    const args = [`--max-old-space-size=${HEAP_MEGABYTES}`, compiledEntry('apps/runner/src/main.js')];
    args.push('--socket', socket, '--root', root);
    if (bench) args.push('--bench');
    // The restarted runner is sound: a crash test wants one crash.
    if (fault !== undefined && this.incarnation === 1) args.push('--fault', fault);
    const child = spawn(process.execPath, args, {
      stdio: ['pipe', 'pipe', 'inherit'],
      cwd: '/',
      // Nothing else: the server's environment holds secrets that git has no business to know.
      env: { PATH: this.options.searchPath ?? USUAL_PATH },
    });
    child.stdin.on('error', () => undefined);
    return child;
  }
}

function isRunning(child: Child): boolean {
  return child.exitCode === null && child.signalCode === null;
}

function untilReady(child: Child, socket: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), START_TIMEOUT_MS);
    const settle = (finish: () => void): void => {
      clearTimeout(timer);
      finish();
    };
    child.stdout.once('data', () => settle(() => resolve(socket)));
    child.once('error', (cause) => settle(() => reject(notAvailable(cause))));
    child.once('exit', () => settle(() => reject(notAvailable())));
  });
}

function notAvailable(cause?: unknown): DomainError {
  return new DomainError('unavailable', 'The git service is not available, try again', { cause });
}
