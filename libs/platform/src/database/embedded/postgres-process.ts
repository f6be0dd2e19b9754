import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { isReady } from './orphans.js';
import { PROGRAM_ENV } from './run-as.js';

const POLL_MS = 20;
const PATIENCE_LINE_MS = 10_000;
const CLIENTS_CLOSE_MS = 500;
const FAST_STOP_MS = 60_000;

/** One running postmaster: its life from launch to exit. */
export class PostgresProcess {
  /** Resolves with how it ended; never rejects. */
  readonly ended: Promise<string>;
  private readonly child: ChildProcess;
  private running = true;

  constructor(
    private readonly cluster: string,
    [program, ...args]: readonly string[],
    log: (text: string) => void,
  ) {
    // A session of its own: the terminal's ctrl-C is for the server, which stops the database last.
    this.child = spawn(program!, args, { env: PROGRAM_ENV, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    this.child.stdout?.on('data', (chunk: Buffer) => log(chunk.toString()));
    this.child.stderr?.on('data', (chunk: Buffer) => log(chunk.toString()));
    this.ended = new Promise((resolve) => {
      const end = (reason: string): void => {
        this.running = false;
        resolve(reason);
      };
      this.child.once('error', (error) => end(error.message));
      this.child.once('close', (code, signal) => end(signal ? `signal ${signal}` : `exit code ${code}`));
    });
  }

  /** True once it accepts connections, false when it ended before; recovery after a crash may take its time. */
  async becameReady(report: (line: string) => void): Promise<boolean> {
    let nextLine = Date.now() + PATIENCE_LINE_MS;
    while (this.running) {
      if (this.child.pid !== undefined && isReady(this.cluster, this.child.pid)) return true;
      if (Date.now() > nextLine) {
        report('PostgreSQL is still starting (it may be recovering from a crash).');
        nextLine += PATIENCE_LINE_MS;
      }
      await sleep(POLL_MS);
    }
    return false;
  }

  /**
   * Lets clients that are just closing finish, then ends the others (fast shutdown), and after a minute cuts it short:
   * the next start then recovers as after a crash.
   */
  async stop(): Promise<void> {
    const steps = [
      ['SIGTERM', CLIENTS_CLOSE_MS],
      ['SIGINT', FAST_STOP_MS],
      ['SIGQUIT', Infinity],
    ] as const;
    for (const [signal, ms] of steps) {
      if (!this.running) return;
      this.child.kill(signal);
      await Promise.race([this.ended, ...(ms === Infinity ? [] : [sleep(ms, undefined, { ref: false })])]);
    }
  }
}
