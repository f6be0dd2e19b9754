import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { compiledEntry } from '#kernel';
import { type RunnerEndpoint, runnerUnavailable } from './runner-connection.js';
import { newSocketFolder } from './socket-folder.js';

export interface RunnerProcessOptions {
  /** What it is called in messages and in the name of its folder: `git`, `sandbox`. */
  readonly name: string;
  /** Its compiled program, e.g. `apps/runner/src/main.js`. */
  readonly entry: string;
  /** Beside `--socket`. */
  readonly args: readonly string[];
  /** More of them, given the folder of the sockets. */
  readonly argsIn?: (folder: string) => readonly string[];
  /** Given to the first one started only: the restarted runner is sound, a crash test wants one crash. */
  readonly firstArgs?: readonly string[];
  /** Folders where it finds programs (a PATH); by default the system's usual ones. */
  readonly searchPath?: string;
  /** A command that becomes the runner, e.g. one that makes a name space for it. */
  readonly within?: (folder: string) => readonly string[];
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

/**
 * Keeps one runner process alive: a fresh 0700 folder, a socket per incarnation, restarts with growing pauses. It begins
 * with `start`, or with the first look for its socket.
 */
export class RunnerProcess implements RunnerEndpoint {
  private readonly folder: string;
  private child: Child | null = null;
  private ready: Promise<string> | null = null;
  private incarnation = 0;
  private pause = FIRST_PAUSE_MS;
  private restart: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(private readonly options: RunnerProcessOptions) {
    this.folder = newSocketFolder(options.name);
  }

  get name(): string {
    return this.options.name;
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  async start(): Promise<void> {
    await this.launch();
  }

  /** Whether one was ever asked for. */
  get isStarted(): boolean {
    return this.incarnation > 0;
  }

  /** The socket of the living runner; waits for a restart that is under way. @throws unavailable */
  async socket(signal?: AbortSignal): Promise<string> {
    if (!this.isStarted && !this.closed) return this.launch();
    const until = Date.now() + START_TIMEOUT_MS;
    while (!this.closed && !signal?.aborted && Date.now() < until) {
      if (this.ready) return this.ready;
      await new Promise((resolve) => setTimeout(resolve, FIRST_PAUSE_MS));
    }
    throw runnerUnavailable(this.name);
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
    this.ready = this.untilReady(child, socket);
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
    const { entry, args, argsIn, firstArgs = [], within, searchPath } = this.options;
    const program = [process.execPath, `--max-old-space-size=${HEAP_MEGABYTES}`, compiledEntry(entry)];
    const own = [
      '--socket',
      socket,
      ...args,
      ...(argsIn?.(this.folder) ?? []),
      ...(this.incarnation === 1 ? firstArgs : []),
    ];
    const [command, ...rest] = [...(within?.(this.folder) ?? []), ...program, ...own];
    const child = spawn(command!, rest, {
      stdio: ['pipe', 'pipe', 'inherit'],
      cwd: '/',
      // Nothing else: the server's environment holds secrets that no runner has any business to know.
      env: { PATH: searchPath ?? USUAL_PATH },
    });
    child.stdin.on('error', () => undefined);
    return child;
  }

  private untilReady(child: Child, socket: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => child.kill('SIGKILL'), START_TIMEOUT_MS);
      const settle = (finish: () => void): void => {
        clearTimeout(timer);
        finish();
      };
      child.stdout.once('data', () => settle(() => resolve(socket)));
      child.once('error', (cause) => settle(() => reject(runnerUnavailable(this.name, cause))));
      child.once('exit', () => settle(() => reject(runnerUnavailable(this.name))));
    });
  }
}

function isRunning(child: Child): boolean {
  return child.exitCode === null && child.signalCode === null;
}
