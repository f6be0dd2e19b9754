import { Controller, Get, Param } from '@nestjs/common';
import { ApiExtraModels, ApiOkResponse, ApiOperation, ApiTags, getSchemaPath } from '@nestjs/swagger';
import { ApiFailures, MaybeCaller, type Principal, RequireScopesUnlessPublic } from '#platform';
import { HandoffSummariesService } from '../handoffs/handoff-summaries.service.js';
import { CapturedHandoffSummary, CapturedPublicHandoffSummary } from './captured-handoff-summary.dto.js';

@ApiTags('Handoffs')
@Controller('api/v1/handoffs/:id/summary')
export class CapturedHandoffSummariesController {
  constructor(private readonly summaries: HandoffSummariesService) {}

  /**
   * Without a key: title and counts, as long as the handoff can be claimed; naming its id is enough. With the key of a
   * party: what the conversation tells. With any other key: 404.
   */
  @Get()
  @RequireScopesUnlessPublic('handoffs:read')
  @ApiOperation({ operationId: 'getHandoffSummary', summary: 'What a handed session is about' })
  @ApiExtraModels(CapturedHandoffSummary, CapturedPublicHandoffSummary)
  @ApiOkResponse({
    schema: {
      oneOf: [CapturedHandoffSummary, CapturedPublicHandoffSummary].map((type) => ({ $ref: getSchemaPath(type) })),
    },
  })
  @ApiFailures({ 410: 'It has expired, was claimed or is offered no longer' })
  async get(
    @MaybeCaller() caller: Principal | null,
    @Param('id') id: string,
  ): Promise<CapturedHandoffSummary | CapturedPublicHandoffSummary> {
    if (caller === null) return CapturedPublicHandoffSummary.from(await this.summaries.forAnybody(id));
    return CapturedHandoffSummary.from(await this.summaries.forParty(caller, id));
  }
}
