import { Injectable } from '@nestjs/common';
import { entitlementsOf, PlanGate } from '#accounts';
import type { Principal } from '#platform';
import { ReposRepository } from './repos.repository.js';

/** How many repositories an account may have (coregit.md §22.3). */
@Injectable()
export class RepoQuota {
  constructor(
    private readonly repos: ReposRepository,
    private readonly gate: PlanGate,
  ) {}

  /** Room for one more, which stays until the open transaction ends. Errors: `quota_exceeded`. */
  async assertRoom(caller: Principal): Promise<void> {
    const limit = entitlementsOf(caller.tier).repositories;
    if (limit === null) return;
    await this.repos.lockAccount(caller.accountId);
    const used = await this.repos.count(caller.accountId);
    if (used >= limit) throw this.gate.exceeded('repositories', used, limit);
  }
}
