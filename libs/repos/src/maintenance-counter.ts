import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { AppConfig } from '#platform';
import type { Repo } from './repo.js';
import { MaintenanceQueue } from './maintenance.jobs.js';

const MAX_REPOS = 100_000;

/** Counts the packs that commits and pushes add, and asks for maintenance when a repository has collected enough. */
@Injectable()
export class MaintenanceCounter {
  // Sized rather than counted: `max` would take the memory of a full cache at the start.
  private readonly packs = new LRUCache<string, number>({ maxSize: MAX_REPOS, sizeCalculation: () => 1 });

  constructor(
    private readonly queue: MaintenanceQueue,
    private readonly config: AppConfig,
  ) {}

  packAdded(repo: Repo): void {
    const packs = (this.packs.get(repo.id) ?? 0) + 1;
    this.packs.set(repo.id, packs);
    if (packs < this.config.MAINTENANCE_PACKS) return;
    this.packs.set(repo.id, 0);
    this.queue.request(repo);
  }
}
