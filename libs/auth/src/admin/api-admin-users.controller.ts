import { Body, Controller, Delete, Get, HttpCode, Param, Post, Put, Query, Req } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request } from 'express';
import { DomainError } from '#kernel';
import {
  ApiFailures,
  ApiPageQuery,
  assertBody,
  BIGINT_SHAPE,
  Caller,
  HoldsSecret,
  type Principal,
  RequireAdmin,
  SessionCounts,
  UUID_SHAPE,
} from '#platform';
import { isShownTier, SHOWN_TIERS } from './admin-user.js';
import { AdminUsersService } from './admin-users.service.js';
import {
  ApiActivatedUser,
  ApiAdminUserDetail,
  ApiAdminUserKey,
  ApiAdminUserList,
  ApiAdminUsersQuery,
  ApiChangeTierBody,
  ApiKeyMintedOnBehalf,
  ApiMintKeyBody,
  ApiTierChange,
  ApiVerifiedUser,
} from './api-admin-users.dto.js';
import { Deactivation } from './deactivation.js';

/** What platform administrators do with users (sessionfs-2.md §15). */
@ApiTags('Administration')
@Controller('api/v1/admin/users')
export class ApiAdminUsersController {
  constructor(
    private readonly users: AdminUsersService,
    private readonly deactivation: Deactivation,
    private readonly sessions: SessionCounts,
  ) {}

  /** Newest first; the active ones unless `status` says otherwise. */
  @Get()
  @RequireAdmin()
  @ApiOperation({ operationId: 'adminListUsers', summary: 'List and search users' })
  @ApiOkResponse({ type: ApiAdminUserList })
  async list(@Query() query: ApiAdminUsersQuery): Promise<ApiAdminUserList> {
    const page = ApiPageQuery.toPage(query, [BIGINT_SHAPE, UUID_SHAPE]);
    const found = await this.users.list(ApiAdminUsersQuery.toFilter(query), page);
    return ApiAdminUserList.from(found, page, await this.sessions.ofUsers(found.users.map(({ id }) => id)));
  }

  /** The look is audited. */
  @Get(':user_id')
  @RequireAdmin()
  @ApiOperation({ operationId: 'adminGetUser', summary: 'A user with storage, keys and organizations' })
  @ApiOkResponse({ type: ApiAdminUserDetail })
  async get(@Caller() caller: Principal, @Param('user_id') userId: string): Promise<ApiAdminUserDetail> {
    const user = await this.users.get(caller, userId);
    return ApiAdminUserDetail.fromDetail(user, await this.sessions.ofUsers([user.id]));
  }

  /** The live ones, newest first, without raw values. The look is audited. */
  @Get(':user_id/api-keys')
  @RequireAdmin()
  @ApiOperation({ operationId: 'adminListUserKeys', summary: "List a user's keys" })
  @ApiOkResponse({ type: [ApiAdminUserKey] })
  async listKeys(@Caller() caller: Principal, @Param('user_id') userId: string): Promise<ApiAdminUserKey[]> {
    return (await this.users.listKeys(caller, userId)).map((key) => ApiAdminUserKey.from(key));
  }

  /** The tier of the personal account; `admin` is the role of platform administrators, with everything in it. */
  @Put(':user_id/tier')
  @RequireAdmin()
  @ApiOperation({ operationId: 'adminSetUserTier', summary: "Set a user's tier" })
  @ApiOkResponse({ type: ApiTierChange })
  @ApiFailures({ 400: 'No such tier, or your own role as administrator' })
  async changeTier(
    @Caller() caller: Principal,
    @Param('user_id') id: string,
    @Body() { tier }: ApiChangeTierBody,
  ): Promise<ApiTierChange> {
    assertTier(tier);
    const { userId, oldTier, newTier } = await this.users.changeTier(caller, id, tier);
    return { user_id: userId, old_tier: oldTier, new_tier: newTier };
  }

  /** Vouches for the address, where no mail can. */
  @Put(':user_id/verify')
  @RequireAdmin()
  @ApiOperation({ operationId: 'adminVerifyUser', summary: "Verify a user's address" })
  @ApiOkResponse({ type: ApiVerifiedUser })
  async verify(@Caller() caller: Principal, @Param('user_id') userId: string): Promise<ApiVerifiedUser> {
    const user = await this.users.verify(caller, userId);
    return { user_id: user.id, email_verified: true };
  }

  /** The keys of a deactivated user stay ended: mint a new one. */
  @Put(':user_id/activate')
  @RequireAdmin()
  @ApiOperation({ operationId: 'adminActivateUser', summary: 'Let a deactivated user in again' })
  @ApiOkResponse({ type: ApiActivatedUser })
  async activate(@Caller() caller: Principal, @Param('user_id') userId: string): Promise<ApiActivatedUser> {
    const user = await this.users.activate(caller, userId);
    return { user_id: user.id, is_active: true };
  }

  /** Ends keys, sessions and memberships everywhere within a second; what the user made stays. */
  @Delete(':user_id')
  @RequireAdmin()
  @HttpCode(204)
  @ApiOperation({ operationId: 'adminDeactivateUser', summary: 'Deactivate a user' })
  @ApiNoContentResponse()
  @ApiFailures({ 400: 'Yourself', 409: 'The sole owner of an organization, or the last administrator' })
  async deactivate(@Caller() caller: Principal, @Param('user_id') userId: string): Promise<void> {
    await this.deactivation.deactivate(caller, userId);
  }

  /** For somebody who has lost theirs (seed 002). The body is required, `{}` will do. */
  @Post(':user_id/api-keys')
  @RequireAdmin()
  @HoldsSecret()
  @ApiOperation({ operationId: 'adminMintUserKey', summary: 'Mint a key on behalf of a user' })
  @ApiCreatedResponse({ type: ApiKeyMintedOnBehalf })
  async mintKey(
    @Caller() caller: Principal,
    @Param('user_id') userId: string,
    @Body() body: ApiMintKeyBody,
    @Req() request: Request,
  ): Promise<ApiKeyMintedOnBehalf> {
    assertBody(request);
    return ApiKeyMintedOnBehalf.from(await this.users.mintKey(caller, userId, body.name ?? null));
  }
}

function assertTier(tier: string): void {
  if (isShownTier(tier)) return;
  throw new DomainError('bad_request', `Invalid tier. Use one of: ${SHOWN_TIERS.join(', ')}`, { field: 'tier' });
}
