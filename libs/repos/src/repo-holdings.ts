import { Injectable, type OnModuleInit } from '@nestjs/common';
import { AccountHoldings } from '#accounts';
import { ReposRepository } from './repos.repository.js';

/** Says how many repositories an account owns: one that owns any is not closed. */
@Injectable()
export class RepoHoldings implements OnModuleInit {
  constructor(
    private readonly holdings: AccountHoldings,
    private readonly repos: ReposRepository,
  ) {}

  onModuleInit(): void {
    this.holdings.register('repositories', (accountId) => this.repos.count(accountId));
  }
}
