import { Body, Controller, Headers, HttpCode, Post } from '@nestjs/common';
import { ApiBody, ApiHeader, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiFailures, BufferBody, Public } from '#platform';
import { SubscriptionsService } from '../billing/subscriptions.service.js';
import { ApiWebhookReceipt } from './api-billing.dto.js';

const MAX_DELIVERY = 1_048_576;

@ApiTags('Billing')
@Controller('webhooks/stripe')
export class StripeWebhookController {
  constructor(private readonly subscriptions: SubscriptionsService) {}

  /** What Stripe has to tell. The signature is the credential; it is taken over the bytes as they came. */
  @Post()
  @HttpCode(200)
  @Public()
  @BufferBody(() => MAX_DELIVERY)
  @ApiFailures({
    400: 'The signature is missing, wrong or too old',
    413: 'The delivery is too large',
    501: 'No webhook secret is set (billing_not_configured)',
    502: 'Stripe could not be asked; it repeats the delivery',
  })
  @ApiOperation({ operationId: 'receiveStripeEvent', summary: 'Deliveries of Stripe' })
  @ApiHeader({ name: 'Stripe-Signature', required: true })
  @ApiBody({ schema: { type: 'object', description: "Stripe's event" } })
  @ApiOkResponse({ type: ApiWebhookReceipt })
  async receive(
    @Body() body: Buffer,
    @Headers('stripe-signature') signature: string | undefined,
  ): Promise<ApiWebhookReceipt> {
    return { status: await this.subscriptions.receive(body, signature) };
  }
}
