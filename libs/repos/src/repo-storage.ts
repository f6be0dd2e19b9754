import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Injectable } from '@nestjs/common';
import { AppConfig } from '#platform';
import { DEFAULT_AUTHOR } from './commit-request/commit-request.js';
import type { Repo } from './repo.js';
import { GitStore } from './store/git-store.js';

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

  /** An empty bare repository, durable when it returns; with `init` an empty commit, whose sha is the answer. */
  async create(repo: Repo, init: boolean): Promise<string | null> {
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

  async remove(repo: Pick<Repo, 'storageId'>): Promise<void> {
    // Retries: a write that was under way may still add a file while the directory is emptied.
    await rm(this.directoryOf(repo), { recursive: true, force: true, maxRetries: 5 });
  }

  /** Storage ids of directories that nobody has touched since `before` (milliseconds since the Unix epoch), folder by folder. */
  async *untouchedSince(before: number): AsyncGenerator<string[]> {
    for (const outer of await names(this.root)) {
      for (const inner of await names(join(this.root, outer))) {
        const folder = join(this.root, outer, inner);
        const found: string[] = [];
        for (const name of await names(folder)) {
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

const STORED = /^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\.git$/;

async function names(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

/** Milliseconds; a directory that disappears meanwhile counts as touched now. */
async function touchedAt(path: string): Promise<number> {
  try {
    return (await stat(path)).mtimeMs;
  } catch (error) {
    if (isGone(error)) return Infinity;
    throw error;
  }
}

function isGone(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');
}
