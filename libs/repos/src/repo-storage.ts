import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Injectable } from '@nestjs/common';
import { AppConfig } from '#platform';
import type { Repo } from './repo.js';

/** Maps repositories to directories: `DATA_DIR/repos/aa/bb/<uuid>.git`. */
@Injectable()
export class RepoStorage {
  readonly root: string;

  constructor(config: AppConfig) {
    this.root = join(config.DATA_DIR, 'repos');
  }

  directoryOf(repo: Pick<Repo, 'storageId'>): string {
    const { storageId } = repo;
    return join(this.root, storageId.slice(0, 2), storageId.slice(2, 4), `${storageId}.git`);
  }

  async remove(repo: Pick<Repo, 'storageId'>): Promise<void> {
    await rm(this.directoryOf(repo), { recursive: true, force: true });
  }
}
