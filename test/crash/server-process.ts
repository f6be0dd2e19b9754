import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { compiledEntry } from '../../libs/kernel/src/index.js';

const START_TIMEOUT_MS = 60_000;
const OUTPUT_KEPT = 64 * 1024;

export interface ServerSettings {
  readonly dataDir: string;
  /** Without one the server starts its embedded database. */
  readonly databaseUrl?: string;
  /** `<fault point>:<nth>` */
  readonly fault?: string | undefined;
  /** A program and its arguments that starts the server, e.g. in a namespace of its own. */
  readonly wrap?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** The real built server (`roundhouse start`) as a child process that can be killed like a machine kills. */
export class ServerProcess {
  /** Base URL once `ready` has resolved to true. */
  url = '';
  output = '';
  private readonly ended: Promise<unknown>;

  private constructor(private readonly child: ChildProcess) {
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.output = (this.output + text).slice(-OUTPUT_KEPT);
        this.fault ??= /^fault point (\S+) reached$/m.exec(this.output)?.[1];
        this.onOutput?.();
      });
    }
    this.ended = once(child, 'close').then(() => this.onOutput?.());
  }

  private onOutput: (() => void) | undefined;
  private fault: string | undefined;

  static spawn({ dataDir, databaseUrl, fault, wrap = [], env = {} }: ServerSettings): ServerProcess {
    const [program, ...args] = [...wrap, process.execPath, compiledEntry('apps/cli/src/main.js'), 'start'];
    const child = spawn(program!, args, {
      cwd: dataDir,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env['PATH'] ?? '',
        TMPDIR: process.env['TMPDIR'] ?? '/tmp',
        PORT: '0',
        DATA_DIR: dataDir,
        LOG_LEVEL: 'error',
        STORE_WORKERS: '2',
        SIGNUP_LIMIT_PER_HOUR: '100000',
        MAINTENANCE_PACKS: '8',
        ...(databaseUrl !== undefined && { DATABASE_URL: databaseUrl }),
        ...(fault !== undefined && { FAULT_POINT: fault }),
        ...env,
      },
    });
    return new ServerProcess(child);
  }

  get pid(): number {
    return this.child.pid!;
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** The armed fault point once the server (or its runner) has died there. */
  get reachedFault(): string | undefined {
    return this.fault;
  }

  /** True once /readyz says so; false when the process died first. @throws Error when it takes too long */
  async ready(): Promise<boolean> {
    const until = Date.now() + START_TIMEOUT_MS;
    while (this.isRunning && Date.now() < until) {
      this.url ||= /Roundhouse is ready: (\S+)/.exec(this.output)?.[1] ?? '';
      if (this.url !== '' && (await answersReady(this.url))) return true;
      await sleep(15);
    }
    if (this.isRunning) throw new Error(`The server did not become ready:\n${this.output}`);
    await this.ended;
    return false;
  }

  /** Resolves when the process has ended or the armed fault point was reached, at the latest after `ms`. */
  async diesWithin(ms: number): Promise<boolean> {
    const dead = (): boolean => !this.isRunning || this.fault !== undefined;
    const news = new Promise<void>((resolve) => {
      this.onOutput = () => dead() && resolve();
      if (dead()) resolve();
    });
    const timer = new AbortController();
    await Promise.race([news, sleep(ms, undefined, { signal: timer.signal }).catch(() => undefined)]);
    timer.abort();
    return dead();
  }

  /** SIGKILL for the server alone: what belongs to it has to notice by itself. */
  async kill(): Promise<void> {
    signal(this.pid, 'SIGKILL');
    await this.ended;
  }

  /** SIGKILL for the server, its runner, every git below it and the embedded database with all its backends. */
  async killTree(): Promise<void> {
    // Stopped first: a process that is about to fork could leave a child that is not on the list.
    signal(this.pid, 'SIGSTOP');
    for (const pid of [...descendants(this.pid), this.pid]) signal(pid, 'SIGKILL');
    await this.ended;
  }

  /** A clean stop; resolves to the exit code. */
  async stop(): Promise<number | null> {
    signal(this.pid, 'SIGTERM');
    await this.ended;
    return this.child.exitCode;
  }
}

async function answersReady(url: string): Promise<boolean> {
  return fetch(`${url}/readyz`).then(
    (answer) => answer.ok,
    () => false,
  );
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Process ids below `root`, from /proc. */
function descendants(root: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const parent = parentOf(name);
    if (parent !== null) parents.set(Number(name), parent);
  }
  const isBelow = (pid: number): boolean => {
    const parent = parents.get(pid);
    return parent !== undefined && (parent === root || isBelow(parent));
  };
  return [...parents.keys()].filter(isBelow);
}

function parentOf(pid: string): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw error;
  }
}
