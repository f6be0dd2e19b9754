import { Body, Controller, Param, Put } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { IsString } from 'class-validator';
import { DomainError, isUuid } from '#kernel';
import { Caller, type Principal, RequireAdmin, type Tier, TIERS } from '#platform';
import { UsersService } from '../users.service.js';

export class ApiChangeTierBody {
  @ApiProperty({ enum: TIERS }) @IsString() tier!: Tier;
}

export class ApiTierChange {
  @ApiProperty({ format: 'uuid' }) user_id!: string;
  @ApiProperty({ enum: TIERS }) old_tier!: string;
  @ApiProperty({ enum: TIERS }) new_tier!: string;
}

@ApiTags('Administration')
@Controller('api/v1/admin/users')
export class ApiAdminUsersController {
  constructor(private readonly users: UsersService) {}

  /** Sets the tier of a user's personal account (sessionfs-2.md §15). */
  @Put(':id/tier')
  @RequireAdmin()
  @ApiOperation({ operationId: 'adminSetUserTier', summary: "Set a user's tier" })
  @ApiOkResponse({ type: ApiTierChange })
  async changeTier(
    @Caller() caller: Principal,
    @Param('id') id: string,
    @Body() body: ApiChangeTierBody,
  ): Promise<ApiTierChange> {
    if (!isUuid(id)) throw new DomainError('not_found', 'User not found');
    if (!TIERS.includes(body.tier))
      throw new DomainError('bad_request', `Invalid tier. Use one of: ${TIERS.join(', ')}`, { field: 'tier' });
    const { oldTier, newTier } = await this.users.changeTier(caller, id, body.tier);
    return { user_id: id, old_tier: oldTier, new_tier: newTier };
  }
}
