import { Body, Controller, Delete, Get, HttpCode, Put } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Caller, HoldsSecret, type Principal, UserOnly } from '#platform';
import { GithubSettingsService } from '../github/github-settings.service.js';
import { GitlabSettingsService } from '../settings/gitlab-settings.service.js';
import {
  CapturedGithubSettings,
  CapturedGithubSettingsBody,
  CapturedGitlabSettings,
  CapturedGitlabSettingsBody,
} from './captured-forge-settings.dto.js';

/** Where a person's pull and merge requests are (sessionfs-1.md §11). */
@ApiTags('Session settings')
@Controller('api/v1/settings')
export class CapturedForgeSettingsController {
  constructor(
    private readonly github: GithubSettingsService,
    private readonly gitlab: GitlabSettingsService,
  ) {}

  @Get('github')
  @UserOnly()
  @ApiOperation({ operationId: 'getGithubSettings', summary: 'Get the GitHub installation and its options' })
  @ApiOkResponse({ type: CapturedGithubSettings })
  async getGithub(@Caller() caller: Principal): Promise<CapturedGithubSettings> {
    return CapturedGithubSettings.from(await this.github.get(caller));
  }

  /** Claims the installation named, within 15 minutes of GitHub telling of it; stores nothing while none is claimed. */
  @Put('github')
  @UserOnly()
  @ApiOperation({ operationId: 'setGithubSettings', summary: 'Claim a GitHub installation, set its options' })
  @ApiOkResponse({ type: CapturedGithubSettings })
  async setGithub(
    @Caller() caller: Principal,
    @Body() body: CapturedGithubSettingsBody,
  ): Promise<CapturedGithubSettings> {
    const id = CapturedGithubSettingsBody.toId(body);
    return CapturedGithubSettings.from(await this.github.save(caller, id, CapturedGithubSettingsBody.toOptions(body)));
  }

  @Get('gitlab')
  @UserOnly()
  @ApiOperation({ operationId: 'getGitlabSettings', summary: 'Get the GitLab instance' })
  @ApiOkResponse({ type: CapturedGitlabSettings })
  async getGitlab(@Caller() caller: Principal): Promise<CapturedGitlabSettings> {
    return CapturedGitlabSettings.from(await this.gitlab.get(caller));
  }

  /** The webhook secret is in this answer when it was set by it, and never again. */
  @Put('gitlab')
  @UserOnly()
  @HoldsSecret()
  @ApiOperation({ operationId: 'setGitlabSettings', summary: 'Set the GitLab instance and its token' })
  @ApiOkResponse({ type: CapturedGitlabSettings })
  async setGitlab(
    @Caller() caller: Principal,
    @Body() body: CapturedGitlabSettingsBody,
  ): Promise<CapturedGitlabSettings> {
    return CapturedGitlabSettings.from(await this.gitlab.save(caller, CapturedGitlabSettingsBody.toSettings(body)));
  }

  @Delete('gitlab')
  @UserOnly()
  @HttpCode(204)
  @ApiOperation({ operationId: 'clearGitlabSettings', summary: 'Forget the GitLab instance and its token' })
  @ApiNoContentResponse()
  async clearGitlab(@Caller() caller: Principal): Promise<void> {
    await this.gitlab.clear(caller);
  }
}
