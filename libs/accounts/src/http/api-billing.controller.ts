import { Body, Controller, Get, HttpCode, Post } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiFailures, Caller, type Principal, SelfSettled, UserOnly } from '#platform';
import { BillingService } from '../billing/billing.service.js';
import { ApiBillingStatus, ApiCheckout, ApiCheckoutBody, ApiPortal, ApiPortalBody } from './api-billing.dto.js';

const NOT_CONFIGURED = { 501: 'Nothing is sold here (billing_not_configured)', 502: 'The payment provider failed' };

@ApiTags('Billing')
@Controller('api/v1/billing')
export class ApiBillingController {
  constructor(private readonly billing: BillingService) {}

  /** Plan, subscription and storage; of the organisation for its members (sessionfs-2.md §17). */
  @Get('status')
  @UserOnly()
  @ApiOperation({ operationId: 'getBillingStatus', summary: 'Subscription, tier and storage' })
  @ApiOkResponse({ type: ApiBillingStatus })
  async status(@Caller() caller: Principal): Promise<ApiBillingStatus> {
    return ApiBillingStatus.from(await this.billing.status(caller));
  }

  @Post('checkout')
  @HttpCode(200)
  @UserOnly()
  @SelfSettled()
  @ApiFailures({ 400: 'Unknown tier, no price, or not for members of an organization', ...NOT_CONFIGURED })
  @ApiOperation({ operationId: 'startCheckout', summary: 'Start buying a plan' })
  @ApiOkResponse({ type: ApiCheckout })
  checkout(@Caller() caller: Principal, @Body() body: ApiCheckoutBody): Promise<ApiCheckout> {
    const input = { tier: body.tier, seats: body.seats ?? 1 };
    return this.billing.checkout(caller, input, (url) => ApiCheckout.from(url));
  }

  @Post('portal')
  @HttpCode(200)
  @UserOnly()
  @SelfSettled()
  @ApiFailures({ 400: 'There is no subscription', ...NOT_CONFIGURED })
  @ApiOperation({ operationId: 'openBillingPortal', summary: 'Open the page where a subscription is managed' })
  @ApiBody({ type: ApiPortalBody, required: false })
  @ApiOkResponse({ type: ApiPortal })
  portal(@Caller() caller: Principal, @Body() body: ApiPortalBody): Promise<ApiPortal> {
    return this.billing.portal(caller, body.scope ?? 'auto', (url) => ApiPortal.from(url));
  }
}
