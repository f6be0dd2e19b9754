import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { Length, Matches } from 'class-validator';
import { DomainError } from '#kernel';
import { Caller, HoldsSecret, type Principal, UserOnly } from '#platform';
import { KeysService } from '../keys/keys.service.js';
import { NO_NUL, Trimmed } from './api-keys.dto.js';

class ApiIssueKeyBody {
  @ApiProperty({ minLength: 1, maxLength: 255 })
  @Matches(NO_NUL, { message: 'key_name must not contain NUL' })
  @Length(1, 255, { message: 'key_name must have 1 to 255 characters' })
  @Trimmed()
  key_name!: string;
}

class ApiIssuedKey {
  @ApiProperty({ description: 'Shown this once' }) key!: string;
}

/** Keys as the sandbox-api surface issues them (sandbox-sessions.md §A2.2). */
@ApiTags('Authentication')
@Controller('api/keys')
export class ApiSandboxKeysController {
  constructor(private readonly keys: KeysService) {}

  /** A further unrestricted key of the caller. */
  @Post()
  @UserOnly()
  @HttpCode(200)
  @HoldsSecret()
  @ApiOperation({ operationId: 'issueKey', summary: 'Issue a key' })
  @ApiOkResponse({ type: ApiIssuedKey })
  async issue(@Caller() caller: Principal, @Body() body?: ApiIssueKeyBody): Promise<ApiIssuedKey> {
    if (!body) throw new DomainError('invalid_input', 'key_name is required', { field: 'key_name' });
    return { key: (await this.keys.create(caller, { name: body.key_name })).raw };
  }
}
