import { Injectable, type OnModuleInit } from '@nestjs/common';
import { AccountHoldings } from '#accounts';
import { Clock } from '#kernel';
import { SandboxesRepository } from './sandboxes.repository.js';

/** Says how many sandboxes an account has: one that has any is not closed. */
@Injectable()
export class SandboxHoldings implements OnModuleInit {
  constructor(
    private readonly holdings: AccountHoldings,
    private readonly sandboxes: SandboxesRepository,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.holdings.register('sandboxes', (accountId) => this.sandboxes.count(accountId, this.clock.date()));
  }
}
