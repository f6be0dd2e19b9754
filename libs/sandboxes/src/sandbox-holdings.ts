import { Injectable, type OnModuleInit } from '@nestjs/common';
import { AccountHoldings } from '#accounts';
import { Clock } from '#kernel';
import { SandboxesRepository } from './sandboxes.repository.js';
import { SkillsRepository } from './skills/skills.repository.js';

/** Says how many sandboxes and skills an account has: one that has any is not closed. */
@Injectable()
export class SandboxHoldings implements OnModuleInit {
  constructor(
    private readonly holdings: AccountHoldings,
    private readonly sandboxes: SandboxesRepository,
    private readonly skills: SkillsRepository,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.holdings.register('sandboxes', (accountId) => this.sandboxes.count(accountId, this.clock.date()));
    this.holdings.register('skills', (accountId) => this.skills.count(accountId));
  }
}
