import type { Readable } from 'node:stream';
import { Controller, Delete, Get, HttpCode, Param, Post, Req } from '@nestjs/common';
import {
  ApiBody,
  ApiConsumes,
  ApiCreatedResponse,
  ApiHeader,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import type { Request } from 'express';
import {
  bodyStream,
  Caller,
  OwnIdempotency,
  type Principal,
  readUploadedFile,
  RequireScopes,
  StreamBody,
  StreamedRepeats,
} from '#platform';
import { assertArchiveSize } from '../skills/skill-directories.js';
import { SkillsService } from '../skills/skills.service.js';
import { AgentSkill, AgentUploadedSkill } from './agent-skills.dto.js';

/** Skills that new sessions of the account are made with. */
@ApiTags('Agent skills')
@Controller('v1/skills')
export class AgentSkillsController {
  constructor(
    private readonly skills: SkillsService,
    private readonly repeats: StreamedRepeats,
  ) {}

  /** All of them, by name. */
  @Get()
  @RequireScopes('sandboxes:read')
  @ApiOperation({ operationId: 'listAgentSkills', summary: 'List skills' })
  @ApiOkResponse({ type: [AgentSkill] })
  async list(@Caller() caller: Principal): Promise<AgentSkill[]> {
    return (await this.skills.list(caller)).map((skill) => AgentSkill.from(skill));
  }

  @Get(':name')
  @RequireScopes('sandboxes:read')
  @ApiOperation({ operationId: 'getAgentSkill', summary: 'Read what a skill is' })
  @ApiOkResponse({ type: AgentSkill })
  async get(@Caller() caller: Principal, @Param('name') name: string): Promise<AgentSkill> {
    return AgentSkill.from(await this.skills.get(caller, name));
  }

  /** A zip archive with `SKILL.md`, as the body or as the field `file` of a form. It replaces a skill of that name. */
  @Post(':name')
  @RequireScopes('sandboxes:write')
  @HttpCode(201)
  @StreamBody()
  @OwnIdempotency()
  @ApiOperation({ operationId: 'uploadAgentSkill', summary: 'Upload a skill' })
  @ApiHeader({ name: 'Idempotency-Key', required: false, description: 'A repeat with the same archive has one effect' })
  @ApiConsumes('application/zip')
  @ApiBody({ schema: { type: 'string', format: 'binary' } })
  @ApiCreatedResponse({ type: AgentUploadedSkill })
  async upload(
    @Caller() caller: Principal,
    @Param('name') name: string,
    @Req() request: Request,
  ): Promise<AgentUploadedSkill> {
    assertArchiveSize(Number(request.headers['content-length'] ?? 0));
    const isForm = /^multipart\//i.test(request.headers['content-type'] ?? '');
    const received = this.repeats.of(caller, request);
    const upload = (content: Readable): Promise<AgentUploadedSkill> =>
      this.skills.upload(caller, name, { content, received, render: (skill) => AgentUploadedSkill.from(skill) });
    return isForm ? readUploadedFile(request, 'file', upload) : upload(bodyStream(request));
  }

  /** Sessions that have it keep it. */
  @Delete(':name')
  @RequireScopes('sandboxes:write')
  @HttpCode(204)
  @ApiOperation({ operationId: 'deleteAgentSkill', summary: 'Delete a skill' })
  @ApiNoContentResponse()
  async remove(@Caller() caller: Principal, @Param('name') name: string): Promise<void> {
    await this.skills.delete(caller, name);
  }
}
