import { Injectable } from '@nestjs/common';
import { entitlementsOf, PlanGate } from '#accounts';
import { DomainError } from '#kernel';
import type { Principal } from '#platform';
import { ReposRepository } from './repos.repository.js';

/** How many repositories an account may have (coregit.md §22.3). */
@Injectable()
export class RepoQuota {
  constructor(
    private readonly repos: ReposRepository,
    private readonly gate: PlanGate,
  ) {}

  /** Room for one more, which stays until the open transaction ends. Errors: `not_found`, `quota_exceeded`. */
  async assertRoom(caller: Principal): Promise<void> {
    const limit = entitlementsOf(caller.tier).repositories;
    const isOpen = await (limit === null
      ? this.repos.holdAccount(caller.accountId)
      : this.repos.lockAccount(caller.accountId));
    if (!isOpen) throw new DomainError('not_found', 'Account not found');
    if (limit === null) return;
    const used = await this.repos.count(caller.accountId);
    if (used >= limit) throw this.gate.exceeded('repositories', used, limit);
  }
}
