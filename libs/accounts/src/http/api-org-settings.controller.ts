import { Body, Controller, Delete, Get, Param, Put } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { ApiFailures, Caller, type Principal, UserOnly } from '#platform';
import { OrgRemovalService } from '../organisations/org-removal.service.js';
import { OrgSettingsService } from '../organisations/org-settings.service.js';
import { ApiOrgSettings } from './api-org-settings.dto.js';

export class ApiDeletedOrg {
  @ApiProperty({ description: 'The organization that was deleted' }) deleted!: string;
}

/** Settings of an organisation, and its end. */
@ApiTags('Organizations')
@Controller('api/v1/orgs/:org_id')
export class ApiOrgSettingsController {
  constructor(
    private readonly settings: OrgSettingsService,
    private readonly removal: OrgRemovalService,
  ) {}

  @Get('settings')
  @UserOnly()
  @ApiOperation({ operationId: 'getOrgSettings', summary: 'Settings of an organization' })
  @ApiOkResponse({ type: ApiOrgSettings })
  async get(@Caller() caller: Principal, @Param('org_id') orgId: string): Promise<ApiOrgSettings> {
    return ApiOrgSettings.from(await this.settings.get(caller, orgId));
  }

  /** Takes an admin. Replaces all of them: what is absent is cleared. */
  @Put('settings')
  @UserOnly()
  @ApiOperation({ operationId: 'replaceOrgSettings', summary: 'Replace the settings of an organization' })
  @ApiOkResponse({ type: ApiOrgSettings })
  async replace(
    @Caller() caller: Principal,
    @Param('org_id') orgId: string,
    @Body() body: ApiOrgSettings,
  ): Promise<ApiOrgSettings> {
    return ApiOrgSettings.from(await this.settings.replace(caller, orgId, ApiOrgSettings.toSettings(body)));
  }

  /** Takes the owner, and an organization that owns nothing any more. Its slug stays reserved. */
  @Delete()
  @UserOnly()
  @ApiFailures({ 409: '`org_not_empty`: `left` counts what it still owns' })
  @ApiOperation({ operationId: 'deleteOrg', summary: 'Delete an organization' })
  @ApiOkResponse({ type: ApiDeletedOrg })
  async delete(@Caller() caller: Principal, @Param('org_id') orgId: string): Promise<ApiDeletedOrg> {
    await this.removal.delete(caller, orgId);
    return { deleted: orgId };
  }
}
