import { Body, Controller, Get, HttpCode, Param, Post, Put, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiFailures, ApiPageQuery, BIGINT_SHAPE, Caller, type Principal, RequireAdmin } from '#platform';
import { AdminOrgChangesService } from '../organisations/admin-org-changes.service.js';
import { AdminOrgsService } from '../organisations/admin-orgs.service.js';
import { ORG_ID_SHAPE } from '../organisations/organisation.js';
import {
  ApiAdminChangedOrg,
  ApiAdminChangeOrgBody,
  ApiAdminCreatedOrg,
  ApiAdminCreateOrgBody,
  ApiAdminOrgDetail,
  ApiAdminOrgList,
  ApiAdminOrgsQuery,
  ApiAdminTransferBody,
  ApiAdminTransferred,
} from './api-admin-orgs.dto.js';

/** What platform administrators do with organizations (sessionfs-2.md §15). */
@ApiTags('Administration')
@Controller('api/v1/admin/orgs')
export class ApiAdminOrgsController {
  constructor(
    private readonly orgs: AdminOrgsService,
    private readonly changes: AdminOrgChangesService,
  ) {}

  /** Newest first. */
  @Get()
  @RequireAdmin()
  @ApiOperation({ operationId: 'adminListOrgs', summary: 'List and search organizations' })
  @ApiOkResponse({ type: ApiAdminOrgList })
  async list(@Query() query: ApiAdminOrgsQuery): Promise<ApiAdminOrgList> {
    const page = ApiPageQuery.toPage(query, [BIGINT_SHAPE, ORG_ID_SHAPE]);
    return ApiAdminOrgList.from(await this.orgs.list(query.search || null, page), page);
  }

  /** The look is audited. */
  @Get(':org_id')
  @RequireAdmin()
  @ApiOperation({ operationId: 'adminGetOrg', summary: 'An organization with its members' })
  @ApiOkResponse({ type: ApiAdminOrgDetail })
  async get(@Caller() caller: Principal, @Param('org_id') orgId: string): Promise<ApiAdminOrgDetail> {
    return ApiAdminOrgDetail.from(await this.orgs.get(caller, orgId));
  }

  /** For an owner of any tier; the administrator does not become a member. */
  @Post()
  @RequireAdmin()
  @ApiOperation({ operationId: 'adminCreateOrg', summary: 'Create an organization for somebody' })
  @ApiCreatedResponse({ type: ApiAdminCreatedOrg })
  @ApiFailures({ 400: 'No such tier', 404: 'No such active user' })
  async create(@Caller() caller: Principal, @Body() body: ApiAdminCreateOrgBody): Promise<ApiAdminCreatedOrg> {
    const input = ApiAdminCreateOrgBody.toNewOrg(body);
    return ApiAdminCreatedOrg.from(await this.orgs.create(caller, input), input);
  }

  /** Without a tier, what the organization pays for stays as it is. Members beyond the seats stay. */
  @Put(':org_id/tier')
  @RequireAdmin()
  @ApiOperation({ operationId: 'adminChangeOrg', summary: "Set an organization's tier, seats and storage" })
  @ApiOkResponse({ type: ApiAdminChangedOrg })
  @ApiFailures({ 400: 'No such tier, or nothing to change' })
  async change(
    @Caller() caller: Principal,
    @Param('org_id') orgId: string,
    @Body() body: ApiAdminChangeOrgBody,
  ): Promise<ApiAdminChangedOrg> {
    const change = ApiAdminChangeOrgBody.toLimits(body);
    return ApiAdminChangedOrg.from(orgId, await this.changes.change(caller, orgId, change));
  }

  /** The owner becomes an admin, at once and without being asked. */
  @Post(':org_id/force-transfer-owner')
  @RequireAdmin()
  @HttpCode(200)
  @ApiOperation({ operationId: 'adminForceTransferOwner', summary: 'Make a member the owner' })
  @ApiOkResponse({ type: ApiAdminTransferred })
  @ApiFailures({ 400: 'The owner already' })
  async forceTransfer(
    @Caller() caller: Principal,
    @Param('org_id') orgId: string,
    @Body() body: ApiAdminTransferBody,
  ): Promise<ApiAdminTransferred> {
    const { fromUserId, toUserId } = await this.changes.forceTransfer(caller, orgId, body.to_user_id);
    return { status: 'force_transferred', org_id: orgId, from_user_id: fromUserId, to_user_id: toUserId };
  }
}
