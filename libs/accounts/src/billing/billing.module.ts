import { Module } from '@nestjs/common';
import { Clock } from '#kernel';
import { AppConfig } from '#platform';
import { AccountsModule } from '../accounts.module.js';
import { ApiBillingController } from '../http/api-billing.controller.js';
import { StripeWebhookController } from '../http/stripe-webhook.controller.js';
import { BillingHoldings } from './billing-holdings.js';
import { BillingParties } from './billing-parties.js';
import { BillingRepository } from './billing.repository.js';
import { BillingService } from './billing.service.js';
import { NoPayments } from './no-payments.js';
import { PaymentProvider } from './payment-provider.js';
import { SubscriptionsService } from './subscriptions.service.js';

@Module({
  imports: [AccountsModule],
  controllers: [ApiBillingController, StripeWebhookController],
  providers: [
    BillingHoldings,
    BillingParties,
    BillingRepository,
    BillingService,
    SubscriptionsService,
    {
      provide: PaymentProvider,
      inject: [AppConfig, Clock],
      useFactory: async (config: AppConfig, clock: Clock): Promise<PaymentProvider> => {
        if (config.STRIPE_SECRET_KEY === undefined) return new NoPayments();
        // Its SDK is a tenth of what a start would load.
        const { StripePayments } = await import('./stripe-payments.js');
        return new StripePayments(config, clock);
      },
    },
  ],
})
export class BillingModule {}
