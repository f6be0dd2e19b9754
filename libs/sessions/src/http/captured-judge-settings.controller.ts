import { Body, Controller, Delete, Get, Put, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { DomainError } from '#kernel';
import { Caller, type Principal, UserOnly } from '#platform';
import { JudgeSettingsService } from '../models/judge-settings.service.js';
import { TriggersService } from '../settings/triggers.service.js';
import {
  CapturedDeleted,
  CapturedJudgeSettings,
  CapturedJudgeSettingsBody,
  CapturedModelList,
  CapturedModelsQuery,
  CapturedTrigger,
  CapturedTriggerBody,
} from './captured-judge-settings.dto.js';

/** Which model is asked about a person's sessions, and when it is asked by itself (sessionfs-1.md §11). */
@ApiTags('Session settings')
@Controller('api/v1/settings')
export class CapturedJudgeSettingsController {
  constructor(
    private readonly judge: JudgeSettingsService,
    private readonly triggers: TriggersService,
  ) {}

  @Get('judge')
  @UserOnly()
  @ApiOperation({ operationId: 'getJudgeSettings', summary: 'Get the model that judges and narrates' })
  @ApiOkResponse({ type: CapturedJudgeSettings })
  async getJudge(@Caller() caller: Principal): Promise<CapturedJudgeSettings> {
    return CapturedJudgeSettings.from(await this.judge.get(caller));
  }

  /** Replaces everything but the key, which stays when none is given; another host needs it again. */
  @Put('judge')
  @UserOnly()
  @ApiOperation({ operationId: 'setJudgeSettings', summary: 'Set the model that judges and narrates' })
  @ApiOkResponse({ type: CapturedJudgeSettings })
  async setJudge(@Caller() caller: Principal, @Body() body: CapturedJudgeSettingsBody): Promise<CapturedJudgeSettings> {
    return CapturedJudgeSettings.from(await this.judge.save(caller, CapturedJudgeSettingsBody.toSettings(body)));
  }

  @Delete('judge')
  @UserOnly()
  @ApiOperation({ operationId: 'clearJudgeSettings', summary: 'Forget model and key' })
  @ApiOkResponse({ type: CapturedDeleted })
  async clearJudge(@Caller() caller: Principal): Promise<CapturedDeleted> {
    await this.judge.clear(caller);
    return { deleted: true };
  }

  /** What cannot be asked is told in `error`; the answer is 200 all the same. */
  @Get('judge/models')
  @UserOnly()
  @ApiOperation({ operationId: 'listJudgeModels', summary: 'Ask an endpoint which models it has' })
  @ApiOkResponse({ type: CapturedModelList })
  async models(@Caller() caller: Principal, @Query() query: CapturedModelsQuery): Promise<CapturedModelList> {
    try {
      return CapturedModelList.from(await this.judge.discover(caller, query.base_url, query.api_key || null));
    } catch (error) {
      if (error instanceof DomainError && error.code !== 'internal') return { models: [], error: error.message };
      throw error;
    }
  }

  @Get('audit-trigger')
  @UserOnly()
  @ApiOperation({ operationId: 'getAuditTrigger', summary: 'When sessions are audited' })
  @ApiOkResponse({ type: CapturedTrigger })
  async getAuditTrigger(@Caller() caller: Principal): Promise<CapturedTrigger> {
    return { trigger: await this.triggers.get(caller.userId, 'audit') };
  }

  @Put('audit-trigger')
  @UserOnly()
  @ApiOperation({ operationId: 'setAuditTrigger', summary: 'Set when sessions are audited' })
  @ApiOkResponse({ type: CapturedTrigger })
  async setAuditTrigger(@Caller() caller: Principal, @Body() body: CapturedTriggerBody): Promise<CapturedTrigger> {
    return { trigger: await this.triggers.set(caller, 'audit', body.trigger) };
  }

  @Get('summarize-trigger')
  @UserOnly()
  @ApiOperation({ operationId: 'getSummarizeTrigger', summary: 'When sessions are narrated' })
  @ApiOkResponse({ type: CapturedTrigger })
  async getSummarizeTrigger(@Caller() caller: Principal): Promise<CapturedTrigger> {
    return { trigger: await this.triggers.get(caller.userId, 'summarize') };
  }

  @Put('summarize-trigger')
  @UserOnly()
  @ApiOperation({ operationId: 'setSummarizeTrigger', summary: 'Set when sessions are narrated' })
  @ApiOkResponse({ type: CapturedTrigger })
  async setSummarizeTrigger(@Caller() caller: Principal, @Body() body: CapturedTriggerBody): Promise<CapturedTrigger> {
    return { trigger: await this.triggers.set(caller, 'summarize', body.trigger) };
  }
}
