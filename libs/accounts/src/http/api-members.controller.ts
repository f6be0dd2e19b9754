import { Body, Controller, Delete, Get, HttpCode, Param, Post, Put } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiFailures, Caller, type Principal, UserOnly } from '#platform';
import { MembersService } from '../organisations/members.service.js';
import { OrganisationsService } from '../organisations/organisations.service.js';
import { ApiChangedRole, ApiChangeRoleBody, ApiLeftOrg, ApiOrgMembers, ApiRemovedMember } from './api-members.dto.js';

const SOLE_OWNER = { 409: '`sole_owner`: the owner hands the ownership over first' };

/** Members of an organisation (sessionfs-2.md §14.5); `/org` is the caller's home. */
@ApiTags('Organizations')
@Controller('api/v1')
export class ApiMembersController {
  constructor(
    private readonly members: MembersService,
    private readonly orgs: OrganisationsService,
  ) {}

  /** The one who joined first in front. */
  @Get('orgs/:org_id/members')
  @UserOnly()
  @ApiOperation({ operationId: 'listOrgMembers', summary: 'Members of an organization' })
  @ApiOkResponse({ type: ApiOrgMembers })
  async list(@Caller() caller: Principal, @Param('org_id') orgId: string): Promise<ApiOrgMembers> {
    return ApiOrgMembers.from(await this.orgs.get(caller, orgId));
  }

  /** Takes an admin. Nobody changes the own role or the owner's. */
  @Put('org/members/:user_id/role')
  @UserOnly()
  @ApiFailures(SOLE_OWNER)
  @ApiOperation({ operationId: 'changeHomeOrgRole', summary: 'Change the role of a member of my organization' })
  @ApiOkResponse({ type: ApiChangedRole })
  async changeHomeRole(
    @Caller() caller: Principal,
    @Param('user_id') userId: string,
    @Body() body: ApiChangeRoleBody,
  ): Promise<ApiChangedRole> {
    return ApiChangedRole.from(await this.members.changeRole(caller, null, userId, body.role));
  }

  /** Takes an admin. Nobody changes the own role or the owner's. */
  @Put('orgs/:org_id/members/:user_id/role')
  @UserOnly()
  @ApiFailures(SOLE_OWNER)
  @ApiOperation({ operationId: 'changeOrgRole', summary: 'Change the role of a member' })
  @ApiOkResponse({ type: ApiChangedRole })
  async changeRole(
    @Caller() caller: Principal,
    @Param('org_id') orgId: string,
    @Param('user_id') userId: string,
    @Body() body: ApiChangeRoleBody,
  ): Promise<ApiChangedRole> {
    return ApiChangedRole.from(await this.members.changeRole(caller, orgId, userId, body.role));
  }

  /** Takes an admin. The member's keys and sessions of the organization end within a second. */
  @Delete('org/members/:user_id')
  @UserOnly()
  @ApiFailures(SOLE_OWNER)
  @ApiOperation({ operationId: 'removeHomeOrgMember', summary: 'Remove a member from my organization' })
  @ApiOkResponse({ type: ApiRemovedMember })
  async removeFromHome(@Caller() caller: Principal, @Param('user_id') userId: string): Promise<ApiRemovedMember> {
    return ApiRemovedMember.from(await this.members.remove(caller, null, userId));
  }

  /** Takes an admin. The member's keys and sessions of the organization end within a second. */
  @Delete('orgs/:org_id/members/:user_id')
  @UserOnly()
  @ApiFailures(SOLE_OWNER)
  @ApiOperation({ operationId: 'removeOrgMember', summary: 'Remove a member' })
  @ApiOkResponse({ type: ApiRemovedMember })
  async remove(
    @Caller() caller: Principal,
    @Param('org_id') orgId: string,
    @Param('user_id') userId: string,
  ): Promise<ApiRemovedMember> {
    return ApiRemovedMember.from(await this.members.remove(caller, orgId, userId));
  }

  /** Anybody but the owner may. */
  @Post('orgs/:org_id/leave')
  @UserOnly()
  @HttpCode(200)
  @ApiFailures(SOLE_OWNER)
  @ApiOperation({ operationId: 'leaveOrg', summary: 'Leave an organization' })
  @ApiOkResponse({ type: ApiLeftOrg })
  async leave(@Caller() caller: Principal, @Param('org_id') orgId: string): Promise<ApiLeftOrg> {
    await this.members.leave(caller, orgId);
    return { left: orgId };
  }
}
