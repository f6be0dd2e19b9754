import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ObjectStore } from '../../store/object-store.js';
import { StoreCache } from '../../store/store-cache.js';
import { parseCommitRequest } from '../parse-commit-request.js';
import {
  writeCommits,
  type BranchHead,
  type RefusedCommit,
  type WrittenCommit,
  type WrittenGroup,
} from '../write-commits.js';

export const NOW = 1_700_000_000_123;
export const LIMITS = { maxFileBytes: 10_485_760 };

/** A real bare repository and the requests written to it, without worker threads in between. */
export class CommitBench {
  readonly dir = mkdtempSync(join(tmpdir(), 'commits-'));
  private readonly stores = new StoreCache();
  head: BranchHead | null = null;

  constructor() {
    execFileSync('git', ['init', '-q', '--bare', this.dir]);
  }

  get store(): ObjectStore {
    return this.stores.open(this.dir);
  }

  /** Writes the bodies as one group on the current head; bodies that are not even valid throw. */
  group(bodies: readonly object[], limits = LIMITS): WrittenGroup {
    const requests = bodies.map((body, index) => ({
      handle: String(index),
      held: { request: parseCommitRequest(Buffer.from(JSON.stringify(body)), LIMITS), limits },
    }));
    const group = writeCommits(this.store, this.head, requests, NOW);
    this.head = group.head;
    return group;
  }

  /** One commit of these changes, with further members of the request. */
  try(changes: readonly object[], members: object = {}, limits = LIMITS): WrittenCommit | RefusedCommit {
    const [result] = this.group([{ branch: 'main', message: 'm', changes, ...members }], limits).results;
    if (result === undefined) throw new Error('no result');
    return result;
  }

  commit(changes: readonly object[], members: object = {}): WrittenCommit {
    const result = this.try(changes, members);
    if (!result.ok) throw new Error(`refused: ${result.error.message}`);
    return result;
  }

  git(...args: string[]): string {
    return execFileSync('git', args, { cwd: this.dir, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  }

  /** `mode path=content` of every file of a commit, in git's order and words. */
  files(sha: string): string[] {
    const lines = this.git('ls-tree', '-r', '-z', sha).split('\0').filter(Boolean);
    return lines.map((line) => {
      const [, mode = '', type = '', oid = '', path = ''] = /^(\d+) (\w+) (\w+)\t(.*)$/s.exec(line) ?? [];
      return `${mode} ${path}=${type === 'blob' ? this.git('cat-file', 'blob', oid) : type}`;
    });
  }

  /** Throws unless git finds everything in the repository sound. */
  fsck(): void {
    this.git('fsck', '--strict', '--no-dangling');
  }

  close(): void {
    this.stores.close();
    rmSync(this.dir, { recursive: true, force: true });
  }
}
