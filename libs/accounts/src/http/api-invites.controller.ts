import { Body, Controller, Delete, Get, HttpCode, Param, Post } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Caller, type Principal, UserOnly } from '#platform';
import { InviteAnswersService } from '../invites/invite-answers.service.js';
import { InvitesService } from '../invites/invites.service.js';
import {
  ApiAcceptedInvite,
  ApiAcceptInviteBody,
  ApiDeclinedInvite,
  ApiDeclineInviteBody,
  ApiInviteBody,
  ApiInvited,
  ApiReceivedInvites,
  ApiResentInvite,
  ApiRevokedInvite,
  ApiSentInvites,
} from './api-invites.dto.js';

/** Invites (sessionfs-2.md §14.4): `/org` is the caller's home, `/orgs/{id}` any of the caller's. */
@ApiTags('Organizations')
@Controller('api/v1')
export class ApiInvitesController {
  constructor(
    private readonly invites: InvitesService,
    private readonly answers: InviteAnswersService,
  ) {}

  /** Admins only. Holds a seat for a week and mails the address. */
  @Post('org/invite')
  @UserOnly()
  @HttpCode(200)
  @ApiOperation({ operationId: 'inviteHome', summary: 'Invite somebody into my organization' })
  @ApiOkResponse({ type: ApiInvited })
  async inviteHome(@Caller() caller: Principal, @Body() body: ApiInviteBody): Promise<ApiInvited> {
    return ApiInvited.from(await this.invites.invite(caller, null, body));
  }

  /** Admins only. Holds a seat for a week and mails the address. */
  @Post(['orgs/:org_id/invite', 'orgs/:org_id/members/invite'])
  @UserOnly()
  @HttpCode(200)
  @ApiOperation({ operationId: 'invite', summary: 'Invite somebody into an organization' })
  @ApiOkResponse({ type: ApiInvited })
  async invite(
    @Caller() caller: Principal,
    @Param('org_id') orgId: string,
    @Body() body: ApiInviteBody,
  ): Promise<ApiInvited> {
    return ApiInvited.from(await this.invites.invite(caller, orgId, body));
  }

  /** For the invited address. Naming the id is enough; the token of the mail also verifies the address. */
  @Post('org/invite/:invite_id/accept')
  @UserOnly()
  @HttpCode(200)
  @ApiOperation({ operationId: 'acceptInvite', summary: 'Accept an invite' })
  @ApiBody({ type: ApiAcceptInviteBody, required: false })
  @ApiOkResponse({ type: ApiAcceptedInvite })
  async accept(
    @Caller() caller: Principal,
    @Param('invite_id') inviteId: string,
    @Body() body?: ApiAcceptInviteBody,
  ): Promise<ApiAcceptedInvite> {
    return ApiAcceptedInvite.from(await this.answers.accept(caller, inviteId, body?.token ?? null));
  }

  /** For the invited address. The seat is free again. */
  @Post('org/invite/:invite_id/decline')
  @UserOnly()
  @HttpCode(200)
  @ApiOperation({ operationId: 'declineInvite', summary: 'Decline an invite' })
  @ApiBody({ type: ApiDeclineInviteBody, required: false })
  @ApiOkResponse({ type: ApiDeclinedInvite })
  async decline(
    @Caller() caller: Principal,
    @Param('invite_id') inviteId: string,
    @Body() body?: ApiDeclineInviteBody,
  ): Promise<ApiDeclinedInvite> {
    const declinedAt = await this.answers.decline(caller, inviteId, ApiDeclineInviteBody.reasonOf(body ?? {}));
    return { invite_id: inviteId, declined_at: declinedAt.toISOString() };
  }

  /** Pending ones, newest first; admins only. */
  @Get('org/invites')
  @UserOnly()
  @ApiOperation({ operationId: 'listHomeInvites', summary: 'Pending invites of my organization' })
  @ApiOkResponse({ type: ApiSentInvites })
  async listHome(@Caller() caller: Principal): Promise<ApiSentInvites> {
    return ApiSentInvites.from(await this.invites.list(caller, null));
  }

  /** Pending ones, newest first; admins only. */
  @Get('orgs/:org_id/invites')
  @UserOnly()
  @ApiOperation({ operationId: 'listInvites', summary: 'Pending invites of an organization' })
  @ApiOkResponse({ type: ApiSentInvites })
  async list(@Caller() caller: Principal, @Param('org_id') orgId: string): Promise<ApiSentInvites> {
    return ApiSentInvites.from(await this.invites.list(caller, orgId));
  }

  /** Pending ones to the caller's address, newest first. */
  @Get('org/invites/me')
  @UserOnly()
  @ApiOperation({ operationId: 'listMyInvites', summary: 'Invites addressed to me' })
  @ApiOkResponse({ type: ApiReceivedInvites })
  async listMine(@Caller() caller: Principal): Promise<ApiReceivedInvites> {
    return ApiReceivedInvites.from(await this.answers.listMine(caller));
  }

  /** In any state; who accepted stays a member. Admins only. */
  @Delete('org/invites/:invite_id')
  @UserOnly()
  @ApiOperation({ operationId: 'revokeHomeInvite', summary: 'Revoke an invite into my organization' })
  @ApiOkResponse({ type: ApiRevokedInvite })
  async revokeHome(@Caller() caller: Principal, @Param('invite_id') inviteId: string): Promise<ApiRevokedInvite> {
    await this.invites.revoke(caller, null, inviteId);
    return { revoked: inviteId };
  }

  /** In any state; who accepted stays a member. Admins only. */
  @Delete('orgs/:org_id/invites/:invite_id')
  @UserOnly()
  @ApiOperation({ operationId: 'revokeInvite', summary: 'Revoke an invite into an organization' })
  @ApiOkResponse({ type: ApiRevokedInvite })
  async revoke(
    @Caller() caller: Principal,
    @Param('org_id') orgId: string,
    @Param('invite_id') inviteId: string,
  ): Promise<ApiRevokedInvite> {
    await this.invites.revoke(caller, orgId, inviteId);
    return { revoked: inviteId };
  }

  /** Once a minute at most; admins only. */
  @Post('orgs/:org_id/invites/:invite_id/resend')
  @UserOnly()
  @HttpCode(200)
  @ApiOperation({ operationId: 'resendInvite', summary: 'Mail an invite again' })
  @ApiOkResponse({ type: ApiResentInvite })
  async resend(
    @Caller() caller: Principal,
    @Param('org_id') orgId: string,
    @Param('invite_id') inviteId: string,
  ): Promise<ApiResentInvite> {
    return ApiResentInvite.from(await this.invites.resend(caller, orgId, inviteId));
  }
}
