import { Body, Controller, Headers, HttpCode, Post } from '@nestjs/common';
import { ApiBody, ApiHeader, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiFailures, BufferBody, Public } from '#platform';
import { GithubWebhookService } from '../github/github-webhook.service.js';
import { CapturedDeliveryReceipt } from './captured-forge-settings.dto.js';

/** An installation with all its repositories. */
const MAX_DELIVERY = 5 * 1_048_576;

@ApiTags('Session settings')
@Controller('api/v1/webhooks/github')
export class GithubWebhookController {
  constructor(private readonly webhook: GithubWebhookService) {}

  /** Where the GitHub App was installed and removed, and pull requests of there. The signature is the credential; it is taken over the bytes. */
  @Post()
  @HttpCode(200)
  @Public()
  @BufferBody(() => MAX_DELIVERY)
  @ApiFailures({
    401: 'The signature is missing or wrong',
    413: 'The delivery is too large',
    404: 'No webhook secret is set (github_not_configured)',
  })
  @ApiOperation({ operationId: 'receiveGithubDelivery', summary: 'Deliveries of GitHub' })
  @ApiHeader({ name: 'X-GitHub-Event', required: true })
  @ApiHeader({ name: 'X-Hub-Signature-256', required: true })
  @ApiBody({ schema: { type: 'object', description: "GitHub's event" } })
  @ApiOkResponse({ type: CapturedDeliveryReceipt })
  async receive(
    @Body() body: Buffer,
    @Headers('x-github-event') event: string | undefined,
    @Headers('x-hub-signature-256') signature: string | undefined,
  ): Promise<CapturedDeliveryReceipt> {
    return { status: (await this.webhook.receive({ body, event, signature })) ? 'ok' : 'ignored' };
  }
}
