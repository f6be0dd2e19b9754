import { Body, Controller, Get, Post, Put, Req } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request } from 'express';
import { HomeOrgs } from '#accounts';
import { Caller, type Principal, Public, RateLimits, UserOnly } from '#platform';
import { ProfileService } from '../profile.service.js';
import { SignupService } from '../signup.service.js';
import { ApiDefaultOrg, ApiDefaultOrgBody, ApiMe, ApiSignedUp, ApiSignupBody } from './api-auth.dto.js';

@ApiTags('Authentication')
@Controller('api/v1')
export class ApiAuthController {
  constructor(
    private readonly signups: SignupService,
    private readonly profiles: ProfileService,
    private readonly homes: HomeOrgs,
    private readonly limits: RateLimits,
  ) {}

  /** Creates a user, a personal account and a first key (sessionfs-1.md §3.3). Limited per address. */
  @Post('auth/signup')
  @Public()
  @ApiOperation({ operationId: 'signUp', summary: 'Sign up and get a first key' })
  @ApiCreatedResponse({ type: ApiSignedUp })
  async signUp(@Body() body: ApiSignupBody, @Req() request: Request): Promise<ApiSignedUp> {
    await this.limits.admitSignup(request);
    return ApiSignedUp.from(await this.signups.signUp(body.email));
  }

  /** The calling user and the account its key acts for (sessionfs-1.md §3.4). */
  @Get(['auth/me', 'me'])
  @UserOnly()
  @ApiOperation({ operationId: 'getMe', summary: 'Who am I' })
  @ApiOkResponse({ type: ApiMe })
  async me(@Caller() caller: Principal): Promise<ApiMe> {
    return ApiMe.from(caller, await this.profiles.of(caller));
  }

  /** Which organization the routes without one in their path mean; the one joined first when there is no default. */
  @Put('auth/me/default-org')
  @UserOnly()
  @ApiOperation({ operationId: 'setDefaultOrg', summary: 'Choose my default organization' })
  @ApiOkResponse({ type: ApiDefaultOrg })
  async setDefaultOrg(@Caller() caller: Principal, @Body() body: ApiDefaultOrgBody): Promise<ApiDefaultOrg> {
    await this.homes.setDefault(caller, body.org_id);
    return { default_org_id: body.org_id };
  }
}
