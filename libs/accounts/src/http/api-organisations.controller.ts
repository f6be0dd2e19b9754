import { Body, Controller, Get, HttpCode, Param, Patch, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Caller, type Principal, UserOnly } from '#platform';
import { OrgCreationService } from '../organisations/org-creation.service.js';
import { OrganisationsService } from '../organisations/organisations.service.js';
import {
  ApiCreatedOrg,
  ApiCreateOrgBody,
  ApiMyOrgs,
  ApiOrg,
  ApiOrgProfile,
  ApiRenameOrgBody,
} from './api-organisations.dto.js';

/** Organisations (sessionfs-2.md §14): `/org` is the caller's home, `/orgs/{id}` any of the caller's. */
@ApiTags('Organizations')
@Controller('api/v1')
export class ApiOrganisationsController {
  constructor(
    private readonly orgs: OrganisationsService,
    private readonly creation: OrgCreationService,
  ) {}

  /** Takes the team tier or above; the caller becomes the owner. */
  @Post('org')
  @UserOnly()
  @HttpCode(200)
  @ApiOperation({ operationId: 'createOrg', summary: 'Create an organization' })
  @ApiOkResponse({ type: ApiCreatedOrg })
  async create(@Caller() caller: Principal, @Body() body: ApiCreateOrgBody): Promise<ApiCreatedOrg> {
    return ApiCreatedOrg.from(await this.creation.create(caller, { name: body.name, slug: body.slug }));
  }

  /** The one the key acts for, else the default one, else the one joined first. */
  @Get('org')
  @UserOnly()
  @ApiOperation({ operationId: 'getHomeOrg', summary: 'My organization' })
  @ApiOkResponse({ type: ApiOrg })
  async home(@Caller() caller: Principal): Promise<ApiOrg> {
    return ApiOrg.from(await this.orgs.findHome(caller));
  }

  /** By name. */
  @Get('orgs')
  @UserOnly()
  @ApiOperation({ operationId: 'listOrgs', summary: 'My organizations' })
  @ApiOkResponse({ type: ApiMyOrgs })
  async list(@Caller() caller: Principal): Promise<ApiMyOrgs> {
    return ApiMyOrgs.from(await this.orgs.listOf(caller));
  }

  /** An organization of others is as unknown as one that does not exist. */
  @Get('orgs/:org_id')
  @UserOnly()
  @ApiOperation({ operationId: 'getOrg', summary: 'An organization of mine' })
  @ApiOkResponse({ type: ApiOrg })
  async get(@Caller() caller: Principal, @Param('org_id') orgId: string): Promise<ApiOrg> {
    return ApiOrg.from(await this.orgs.get(caller, orgId));
  }

  /** The name takes an admin, the slug the owner. Git remotes with the old slug keep working. */
  @Patch('orgs/:org_id')
  @UserOnly()
  @ApiOperation({ operationId: 'renameOrg', summary: 'Rename an organization' })
  @ApiOkResponse({ type: ApiOrgProfile })
  async rename(
    @Caller() caller: Principal,
    @Param('org_id') orgId: string,
    @Body() body: ApiRenameOrgBody,
  ): Promise<ApiOrgProfile> {
    return ApiOrgProfile.from(await this.orgs.rename(caller, orgId, ApiRenameOrgBody.toRenaming(body)));
  }
}
