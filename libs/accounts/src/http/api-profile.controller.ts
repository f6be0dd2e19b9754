import { Body, Controller, Patch } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProperty, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import { IsOptional } from 'class-validator';
import { Caller, type Principal, UserOnly } from '#platform';
import { type Profile, type ProfileChange, ProfileService } from '../profile.service.js';
import { IsName, IsSlug } from './org-text.js';

export class ApiChangeProfileBody {
  @ApiPropertyOptional({
    nullable: true,
    type: String,
    minLength: 1,
    maxLength: 100,
    description: 'Of the personal account; the old slug keeps leading to it',
  })
  @IsOptional()
  @IsSlug(1)
  slug?: string | null;

  @ApiPropertyOptional({ nullable: true, type: String, minLength: 1, maxLength: 255, description: 'Null removes it' })
  @IsOptional()
  @IsName(255)
  display_name?: string | null;

  static toChange({ slug, display_name }: ApiChangeProfileBody): ProfileChange {
    return {
      ...(typeof slug === 'string' && { slug }),
      ...(display_name !== undefined && { displayName: display_name }),
    };
  }
}

export class ApiProfile {
  @ApiProperty({ format: 'uuid' }) user_id!: string;
  @ApiProperty() email!: string;
  @ApiProperty({ nullable: true, type: String }) display_name!: string | null;
  @ApiProperty({ description: 'Slug of the personal account' }) account_slug!: string;

  static from({ userId, email, displayName, slug }: Profile): ApiProfile {
    return { user_id: userId, email, display_name: displayName, account_slug: slug };
  }
}

@ApiTags('Authentication')
@Controller('api/v1/auth/me')
export class ApiProfileController {
  constructor(private readonly profiles: ProfileService) {}

  /** Git remotes with the old slug keep working. */
  @Patch()
  @UserOnly()
  @ApiOperation({ operationId: 'changeMe', summary: 'Change my name or the slug of my account' })
  @ApiOkResponse({ type: ApiProfile })
  async change(@Caller() caller: Principal, @Body() body: ApiChangeProfileBody): Promise<ApiProfile> {
    return ApiProfile.from(await this.profiles.change(caller, ApiChangeProfileBody.toChange(body)));
  }
}
