import { readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Injectable } from '@nestjs/common';
import { AppConfig } from '#platform';
import { DEFAULT_AUTHOR } from './commit-request/commit-request.js';
import type { Repo } from './repo.js';
import { GitStore } from './store/git-store.js';
import type { InitialCommit } from './store/operations/write-initial-commit.js';

/** Directories of repositories on this node's disk: `DATA_DIR/repos/aa/bb/<uuid>.git`. */
@Injectable()
export class RepoStorage {
  readonly root: string;

  constructor(
    config: AppConfig,
    private readonly store: GitStore,
  ) {
    this.root = repoRoot(config);
  }

  directoryOf(repo: Pick<Repo, 'storageId'>): string {
    const { storageId } = repo;
    return join(this.root, storageId.slice(0, 2), storageId.slice(2, 4), `${storageId}.git`);
  }

  /** An empty bare repository, durable when it returns; with `init` an empty commit, which is the answer. */
  async create(repo: Repo, init: boolean): Promise<InitialCommit | null> {
    const directory = this.directoryOf(repo);
    await this.store.init(directory, repo.defaultBranch);
    if (!init) return null;
    const timestamp = Math.floor(repo.createdAt.getTime() / 1000);
    return this.store.writeInitialCommit(
      directory,
      { ...DEFAULT_AUTHOR, timestamp, timezone: '+0000' },
      'Initial commit',
    );
  }

  /** Takes the directory away in one step, so that whoever still works in it finds nothing rather than a half; then deletes it. */
  async remove(repo: Pick<Repo, 'storageId'>): Promise<void> {
    const directory = this.directoryOf(repo);
    await ifPresent(rename(directory, directory + REMOVED), undefined);
    await rm(directory + REMOVED, { recursive: true, force: true, maxRetries: 5 });
  }

  /** Storage ids of directories that nobody has touched since `before` (milliseconds since the Unix epoch), folder by folder. */
  async *untouchedSince(before: number): AsyncGenerator<string[]> {
    for (const outer of await namesIn(this.root)) {
      for (const inner of await namesIn(join(this.root, outer))) {
        const folder = join(this.root, outer, inner);
        const found: string[] = [];
        for (const name of await namesIn(folder)) {
          const storageId = STORED.exec(name)?.[1];
          if (storageId && (await touchedAt(join(folder, name))) < before) found.push(storageId);
        }
        if (found.length > 0) yield found;
      }
    }
  }
}

/** The folder all repositories of this deployment live below. */
export function repoRoot(config: AppConfig): string {
  return join(config.DATA_DIR, 'repos');
}

/** Whole repositories, and those whose removal a crash interrupted. */
const STORED = /^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\.git(?:\.removed)?$/;

const REMOVED = '.removed';

function namesIn(folder: string): Promise<string[]> {
  return ifPresent(readdir(folder), []);
}

/** Milliseconds; a directory that disappears meanwhile counts as touched now. */
async function touchedAt(path: string): Promise<number> {
  return (await ifPresent<{ mtimeMs: number }>(stat(path), { mtimeMs: Infinity })).mtimeMs;
}

async function ifPresent<Result>(work: Promise<Result>, otherwise: Result): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return otherwise;
    throw error;
  }
}
