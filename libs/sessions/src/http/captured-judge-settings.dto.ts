import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsNotEmpty, IsOptional, IsString, Matches, MaxLength } from 'class-validator';
import type { NewJudgeSettings, DiscoveredModels, ShownJudgeSettings } from '../models/judge-settings.service.js';
import { TRIGGERS } from '../settings/settings.repository.js';

export const NO_NUL = /^[^\0]*$/;
/** What goes into a header. */
export const PRINTABLE = /^[\x21-\x7e]*$/;
export const MAX_KEY = 2000;
export const MAX_URL = 500;

export class CapturedJudgeSettings {
  @ApiProperty({ description: 'Empty when nothing is saved' }) provider!: string;
  @ApiProperty() model!: string;
  @ApiProperty({ description: 'A key is stored and can be read; it is never shown' }) key_set!: boolean;
  @ApiProperty({ nullable: true, type: String }) base_url!: string | null;

  static from({ provider, model, isKeySet, baseUrl }: ShownJudgeSettings): CapturedJudgeSettings {
    return { provider, model, key_set: isKeySet, base_url: baseUrl };
  }
}

export class CapturedJudgeSettingsBody {
  @ApiProperty({ maxLength: 50, description: '`anthropic`, `openai`, `google`, `openrouter`, or a name of your own' })
  @Matches(NO_NUL)
  @MaxLength(50)
  @IsString()
  provider!: string;

  @ApiProperty({ maxLength: 200 })
  @Matches(NO_NUL)
  @MaxLength(200)
  @IsNotEmpty()
  @IsString()
  model!: string;

  @ApiPropertyOptional({ maxLength: MAX_KEY, description: 'Absent or empty keeps the stored one', default: '' })
  @IsOptional()
  @Matches(PRINTABLE, { message: 'api_key must be printable ASCII without spaces' })
  @MaxLength(MAX_KEY)
  @IsString()
  api_key?: string | null;

  @ApiPropertyOptional({
    nullable: true,
    type: String,
    maxLength: MAX_URL,
    description: "An OpenAI-compatible endpoint in place of the provider's own",
  })
  @IsOptional()
  @Matches(NO_NUL)
  @MaxLength(MAX_URL)
  @IsString()
  base_url?: string | null;

  static toSettings({ provider, model, api_key, base_url }: CapturedJudgeSettingsBody): NewJudgeSettings {
    return { provider, model, apiKey: api_key || null, baseUrl: base_url || null };
  }
}

export class CapturedModelsQuery {
  @ApiProperty({ maxLength: MAX_URL })
  @Matches(NO_NUL)
  @MaxLength(MAX_URL)
  @IsNotEmpty()
  @IsString()
  base_url!: string;

  @ApiPropertyOptional({ maxLength: MAX_KEY, description: 'The stored one, at the host it was given for, when absent' })
  @IsOptional()
  @Matches(PRINTABLE, { message: 'api_key must be printable ASCII without spaces' })
  @MaxLength(MAX_KEY)
  @IsString()
  api_key?: string;
}

export class CapturedModel {
  @ApiProperty() id!: string;
  @ApiProperty() owned_by!: string;
}

export class CapturedModelList {
  @ApiProperty({ type: [CapturedModel] }) models!: CapturedModel[];
  @ApiPropertyOptional({ description: 'The endpoint that was asked' }) base_url?: string;
  @ApiPropertyOptional({ description: 'Why there are none' }) error?: string;

  static from({ models, baseUrl }: DiscoveredModels): CapturedModelList {
    return { models: models.map(({ id, ownedBy }) => ({ id, owned_by: ownedBy })), base_url: baseUrl };
  }
}

export class CapturedDeleted {
  @ApiProperty({ enum: [true] }) deleted!: boolean;
}

export class CapturedTrigger {
  @ApiProperty({ enum: TRIGGERS }) trigger!: string;
}

export class CapturedTriggerBody {
  @ApiProperty({ enum: TRIGGERS }) @MaxLength(50) @IsString() trigger!: string;
}
