import { Body, Controller, Get, HttpCode, Post, Put } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { RequiresFeature } from '#accounts';
import { Caller, type Principal, UserOnly } from '#platform';
import { DlpPoliciesService } from '../dlp/dlp-policies.service.js';
import {
  CapturedDlpPolicy,
  CapturedDlpPolicyBody,
  CapturedDlpScan,
  CapturedDlpScanBody,
  CapturedDlpStats,
} from './captured-dlp.dto.js';

@ApiTags('Data loss prevention')
@Controller('api/v1/dlp')
export class CapturedDlpController {
  constructor(private readonly policies: DlpPoliciesService) {}

  /** Of the organisation acted for, else of the home organisation; the defaults without any. */
  @Get('policy')
  @UserOnly()
  @RequiresFeature('dlp_secrets')
  @ApiOperation({ operationId: 'getDlpPolicy', summary: "The organization's data loss prevention policy" })
  @ApiOkResponse({ type: CapturedDlpPolicy })
  async policy(@Caller() caller: Principal): Promise<CapturedDlpPolicy> {
    return CapturedDlpPolicy.from(await this.policies.get(caller));
  }

  /** Changes the members given. Belongs to the feature dlp_secrets, `phi` to dlp_hipaa; switching off does not. */
  @Put('policy')
  @UserOnly()
  @ApiOperation({ operationId: 'setDlpPolicy', summary: "Change the organization's data loss prevention policy" })
  @ApiOkResponse({ type: CapturedDlpPolicy })
  async change(@Caller() caller: Principal, @Body() body: CapturedDlpPolicyBody): Promise<CapturedDlpPolicy> {
    return CapturedDlpPolicy.from(await this.policies.change(caller, CapturedDlpPolicyBody.toChange(body)));
  }

  /** Says what a push of the text would be told; stores nothing. */
  @Post('scan')
  @UserOnly()
  @HttpCode(200)
  @RequiresFeature('dlp_secrets')
  @ApiOperation({ operationId: 'scanText', summary: 'Look for secrets in a text' })
  @ApiOkResponse({ type: CapturedDlpScan })
  async scan(@Caller() caller: Principal, @Body() body: CapturedDlpScanBody): Promise<CapturedDlpScan> {
    const { text, categories } = CapturedDlpScanBody.toScan(body);
    return CapturedDlpScan.from(await this.policies.scan(caller, text, categories));
  }

  @Get('stats')
  @UserOnly()
  @RequiresFeature('dlp_secrets')
  @ApiOperation({ operationId: 'getDlpStats', summary: 'How many sessions the policy has searched' })
  @ApiOkResponse({ type: CapturedDlpStats })
  async stats(@Caller() caller: Principal): Promise<CapturedDlpStats> {
    return CapturedDlpStats.from(await this.policies.stats(caller));
  }
}
