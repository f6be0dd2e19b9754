import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ENVIRONMENT = {
  PATH: process.env.PATH,
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_AUTHOR_NAME: 'Test',
  GIT_AUTHOR_EMAIL: 'test@example.com',
  GIT_COMMITTER_NAME: 'Test',
  GIT_COMMITTER_EMAIL: 'test@example.com',
  LC_ALL: 'C',
};

/** Runs real git; its complaints about damaged repositories stay out of the test output. */
export function git(dir: string, args: readonly string[], input?: string | Buffer): Buffer {
  return execFileSync('git', ['--git-dir', dir, ...args], {
    input: input ?? '',
    env: ENVIRONMENT,
    maxBuffer: 512 * 1024 * 1024,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}

/** The same as trimmed text. */
export function gitText(dir: string, args: readonly string[], input?: string | Buffer): string {
  return git(dir, args, input).toString('utf8').trim();
}

/** A new folder for one test, and how to remove it. */
export function scratchFolder(name: string): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), `${name}-`));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** What ROUNDS means for tests whose round is cheap; a round here runs git and costs a hundred times as much. */
const CHEAP_ROUNDS = 1000;

/** Rounds of a randomised test: `usual`, or in proportion to ROUNDS when that is set. */
export function rounds(usual: number): number {
  return Math.max(1, Math.round((usual * Number(process.env.ROUNDS ?? CHEAP_ROUNDS)) / CHEAP_ROUNDS));
}

/** A reproducible source of randomness (mulberry32); prints its seed so that a failure can be repeated with SEED. */
export class Random {
  private state: number;

  constructor(seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))) {
    this.state = seed;
    process.stderr.write(`seed ${seed}\n`);
  }

  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)));
  }
}
