import { Body, Controller, Delete, Get, HttpCode, Param, Post, Req } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request } from 'express';
import { AccountsService, UsersService } from '#accounts';
import { Caller, HoldsSecret, type Principal, Public, RateLimits, UserOnly, VERSION } from '#platform';
import { KeysService } from '../keys/keys.service.js';
import { SignupService } from '../signup.service.js';
import { ApiCreateKeyBody, ApiKey, ApiMe, ApiMintedKey, ApiSignedUp, ApiSignupBody } from './api-auth.dto.js';

@ApiTags('Authentication')
@Controller('api/v1')
export class ApiAuthController {
  constructor(
    private readonly signups: SignupService,
    private readonly users: UsersService,
    private readonly accounts: AccountsService,
    private readonly keys: KeysService,
    private readonly limits: RateLimits,
  ) {}

  /** Creates a user, a personal account and a first key (sessionfs-1.md §3.3). Limited per address. */
  @Post('auth/signup')
  @Public()
  @ApiOperation({ operationId: 'signUp', summary: 'Sign up and get a first key' })
  @ApiCreatedResponse({ type: ApiSignedUp })
  async signUp(@Body() body: ApiSignupBody, @Req() request: Request): Promise<ApiSignedUp> {
    await this.limits.admitSignup(request);
    const { user, minted } = await this.signups.signUp(body.email);
    return ApiSignedUp.from(user, minted);
  }

  /** The calling user and the account its key acts for (sessionfs-1.md §3.4). */
  @Get(['auth/me', 'me'])
  @UserOnly()
  @ApiOperation({ operationId: 'getMe', summary: 'Who am I' })
  @ApiOkResponse({ type: ApiMe })
  async me(@Caller() caller: Principal): Promise<ApiMe> {
    const user = await this.users.get(caller.userId);
    return ApiMe.from(user, await this.accounts.get(caller.accountId), VERSION);
  }

  /** A further key. `scopes: []` makes a key that can do nothing. */
  @Post('auth/keys')
  @UserOnly()
  @HoldsSecret()
  @ApiOperation({ operationId: 'createKey', summary: 'Create a key' })
  @ApiCreatedResponse({ type: ApiMintedKey })
  async createKey(@Caller() caller: Principal, @Body() body: ApiCreateKeyBody): Promise<ApiMintedKey> {
    return ApiMintedKey.fromMinted(await this.keys.create(caller, ApiCreateKeyBody.toNewKey(body)));
  }

  /** The caller's live keys, newest first; never the raw values. */
  @Get('auth/keys')
  @UserOnly()
  @ApiOperation({ operationId: 'listKeys', summary: 'List my keys' })
  @ApiOkResponse({ type: [ApiKey] })
  async listKeys(@Caller() caller: Principal): Promise<ApiKey[]> {
    return (await this.keys.list(caller)).map((key) => ApiKey.from(key));
  }

  /** Ends a key of the caller on every node within a second. */
  @Delete('auth/keys/:key_id')
  @UserOnly()
  @HttpCode(204)
  @ApiOperation({ operationId: 'deleteKey', summary: 'Revoke a key' })
  @ApiNoContentResponse()
  async deleteKey(@Caller() caller: Principal, @Param('key_id') keyId: string): Promise<void> {
    await this.keys.revoke(caller, keyId);
  }
}
