import { Injectable, type OnModuleInit } from '@nestjs/common';
import { AccountHoldings } from '../account-holdings.js';
import { BillingRepository } from './billing.repository.js';

/** An account that still pays is not closed: the provider would go on charging for nothing. */
@Injectable()
export class BillingHoldings implements OnModuleInit {
  constructor(
    private readonly holdings: AccountHoldings,
    private readonly billing: BillingRepository,
  ) {}

  onModuleInit(): void {
    this.holdings.register('subscriptions', async (accountId) => ((await this.billing.findLive(accountId)) ? 1 : 0));
  }
}
