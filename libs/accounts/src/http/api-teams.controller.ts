import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiQuery,
  ApiTags,
} from '@nestjs/swagger';
import { Caller, type Principal, UserOnly } from '#platform';
import { RequiresFeature } from '../features.js';
import { TeamsService } from '../teams/teams.service.js';
import { ApiAddTeamMemberBody, ApiCreateTeamBody, ApiRenameTeamBody, ApiTeam, ApiTeamMember } from './api-teams.dto.js';

/** Teams (sessionfs-2.md §12.3): members of the organisation look, its admins change. */
@ApiTags('Teams')
@Controller('api/v1/teams')
export class ApiTeamsController {
  constructor(private readonly teams: TeamsService) {}

  @Post()
  @UserOnly()
  @RequiresFeature('team_management')
  @ApiOperation({ operationId: 'createTeam', summary: 'Create a team' })
  @ApiCreatedResponse({ type: ApiTeam })
  async create(@Caller() caller: Principal, @Body() body: ApiCreateTeamBody): Promise<ApiTeam> {
    return ApiTeam.from(await this.teams.create(caller, ApiCreateTeamBody.toNewTeam(body)));
  }

  /** Oldest first. */
  @Get()
  @UserOnly()
  @RequiresFeature('team_management')
  @ApiQuery({ name: 'org_id', required: false, description: "Absent: the caller's home organization" })
  @ApiOperation({ operationId: 'listTeams', summary: 'Teams of an organization' })
  @ApiOkResponse({ type: [ApiTeam] })
  async list(@Caller() caller: Principal, @Query('org_id') orgId?: string): Promise<ApiTeam[]> {
    return (await this.teams.list(caller, orgId ?? null)).map((team) => ApiTeam.from(team));
  }

  @Get(':id')
  @UserOnly()
  @RequiresFeature('team_management')
  @ApiOperation({ operationId: 'getTeam', summary: 'A team' })
  @ApiOkResponse({ type: ApiTeam })
  async get(@Caller() caller: Principal, @Param('id') id: string): Promise<ApiTeam> {
    return ApiTeam.from(await this.teams.get(caller, id));
  }

  @Patch(':id')
  @UserOnly()
  @RequiresFeature('team_management')
  @ApiOperation({ operationId: 'renameTeam', summary: 'Rename a team' })
  @ApiOkResponse({ type: ApiTeam })
  async rename(
    @Caller() caller: Principal,
    @Param('id') id: string,
    @Body() body: ApiRenameTeamBody,
  ): Promise<ApiTeam> {
    return ApiTeam.from(await this.teams.rename(caller, id, ApiRenameTeamBody.toChange(body)));
  }

  @Delete(':id')
  @UserOnly()
  @RequiresFeature('team_management')
  @HttpCode(204)
  @ApiOperation({ operationId: 'deleteTeam', summary: 'Delete a team' })
  @ApiNoContentResponse()
  async delete(@Caller() caller: Principal, @Param('id') id: string): Promise<void> {
    await this.teams.delete(caller, id);
  }

  @Post(':id/members')
  @UserOnly()
  @RequiresFeature('team_management')
  @ApiOperation({ operationId: 'addTeamMember', summary: 'Add a member of the organization to a team' })
  @ApiCreatedResponse({ type: ApiTeamMember })
  async addMember(
    @Caller() caller: Principal,
    @Param('id') id: string,
    @Body() body: ApiAddTeamMemberBody,
  ): Promise<ApiTeamMember> {
    return ApiTeamMember.from(await this.teams.addMember(caller, id, body.user_id));
  }

  /** The one added first in front. */
  @Get(':id/members')
  @UserOnly()
  @RequiresFeature('team_management')
  @ApiOperation({ operationId: 'listTeamMembers', summary: 'Members of a team' })
  @ApiOkResponse({ type: [ApiTeamMember] })
  async listMembers(@Caller() caller: Principal, @Param('id') id: string): Promise<ApiTeamMember[]> {
    return (await this.teams.listMembers(caller, id)).map((member) => ApiTeamMember.from(member));
  }

  @Delete(':id/members/:user_id')
  @UserOnly()
  @RequiresFeature('team_management')
  @HttpCode(204)
  @ApiOperation({ operationId: 'removeTeamMember', summary: 'Take a member out of a team' })
  @ApiNoContentResponse()
  async removeMember(
    @Caller() caller: Principal,
    @Param('id') id: string,
    @Param('user_id') userId: string,
  ): Promise<void> {
    await this.teams.removeMember(caller, id, userId);
  }
}
