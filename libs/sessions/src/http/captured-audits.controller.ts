import { Body, Controller, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { RequiresFeature } from '#accounts';
import { ApiFailures, assertBody, Caller, type Principal, RequireScopes, SelfSettled, UserOnly } from '#platform';
import { AuditRequests } from '../audits/audit-requests.service.js';
import { AuditsService } from '../audits/audits.service.js';
import {
  CapturedAudit,
  CapturedAuditAccepted,
  CapturedAuditBody,
  CapturedAuditListItem,
  CapturedAuditReport,
  CapturedAuditsQuery,
  CapturedAuditStatus,
  CapturedDismissal,
  CapturedDismissBody,
} from './captured-audits.dto.js';

/** Audits of what agents claim in captured sessions (sessionfs-1.md §8). */
@ApiTags('Captured sessions')
@Controller('api/v1/sessions')
export class CapturedAuditsController {
  constructor(
    private readonly requests: AuditRequests,
    private readonly audits: AuditsService,
  ) {}

  /**
   * By a language model if one is named, saved or installed, else by rules. The report at once below 500 messages; else,
   * or once begun whatever becomes of the request, in the background.
   */
  @Post(':session_id/audit')
  @UserOnly()
  @RequiresFeature('judge_manual')
  @SelfSettled()
  @HttpCode(200)
  @ApiOperation({ operationId: 'auditSession', summary: 'Audit what the agent claims in a captured session' })
  @ApiOkResponse({ type: CapturedAuditReport })
  @ApiAcceptedResponse({ type: CapturedAuditAccepted })
  @ApiFailures({
    409: 'An audit of an older version, or by another judge, is running.',
    422: 'There is nothing to audit: `{error: "no_claims_extracted", message, session_stats}`, bare.',
    502: 'The model failed: `{error: "llm_request_failed", message}`, bare; the report before stays.',
    504: 'The model took too long: `{error: "llm_timeout", message}`, bare; the report before stays.',
  })
  async audit(
    @Caller() caller: Principal,
    @Param('session_id') name: string,
    @Body() body: CapturedAuditBody,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<string | CapturedAuditAccepted> {
    assertBody(request);
    const wish = CapturedAuditBody.toWish(body);
    const answer = await this.requests.audit(caller, name, wish, (audit) => CapturedAuditAccepted.from(audit));
    if ('report' in answer) return asJson(response, answer.report);
    response.status(202);
    return answer.accepted;
  }

  @Get(':session_id/audit')
  @RequireScopes('sessions:read')
  @ApiOperation({ operationId: 'getSessionAudit', summary: "Get a captured session's newest audit report" })
  @ApiOkResponse({ type: CapturedAuditReport })
  async latest(
    @Caller() caller: Principal,
    @Param('session_id') name: string,
    @Res({ passthrough: true }) response: Response,
  ): Promise<string> {
    return asJson(response, await this.audits.latest(caller, name));
  }

  /** Of the newest audit: a failed one says why, and leaves the report before it in place. */
  @Get(':session_id/audit/status')
  @RequireScopes('sessions:read')
  @ApiOperation({ operationId: 'getSessionAuditStatus', summary: "Get the state of a captured session's newest audit" })
  @ApiOkResponse({ type: CapturedAuditStatus })
  async status(@Caller() caller: Principal, @Param('session_id') name: string): Promise<CapturedAuditStatus> {
    return CapturedAuditStatus.from(await this.audits.status(caller, name));
  }

  @Get(':session_id/audits')
  @RequireScopes('sessions:read')
  @ApiOperation({ operationId: 'listSessionAudits', summary: "List a captured session's audits, newest first" })
  @ApiOkResponse({ type: [CapturedAuditListItem] })
  async history(
    @Caller() caller: Principal,
    @Param('session_id') name: string,
    @Query() { limit, before }: CapturedAuditsQuery,
  ): Promise<CapturedAuditListItem[]> {
    const results = await this.audits.history(caller, name, before ?? null, limit ?? 100);
    return results.map((result) => CapturedAuditListItem.from(result));
  }

  @Get('audits/:audit_id')
  @RequireScopes('sessions:read')
  @ApiOperation({ operationId: 'getAudit', summary: 'Get one audit with its findings' })
  @ApiOkResponse({ type: CapturedAudit })
  async find(
    @Caller() caller: Principal,
    @Param('audit_id') id: string,
    @Res({ passthrough: true }) response: Response,
  ): Promise<string> {
    return asJson(response, CapturedAudit.json(await this.audits.find(caller, id)));
  }

  /** In the newest report. Later audits that find the same claim keep it dismissed. */
  @Post(':session_id/audit/dismiss')
  @UserOnly()
  @HttpCode(200)
  @ApiOperation({ operationId: 'dismissAuditFinding', summary: 'Dismiss a finding, or take that back' })
  @ApiOkResponse({ type: CapturedDismissal })
  async dismiss(
    @Caller() caller: Principal,
    @Param('session_id') name: string,
    @Body() { finding_index, dismissed = true, reason = '' }: CapturedDismissBody,
  ): Promise<CapturedDismissal> {
    await this.audits.dismiss(caller, name, { finding: finding_index, isDismissed: dismissed, reason });
    return { status: 'ok', finding_index, dismissed };
  }
}

/** Reports are large and stored as JSON: they are not taken apart to be sent. */
function asJson(response: Response, json: string): string {
  response.type('application/json');
  return json;
}
