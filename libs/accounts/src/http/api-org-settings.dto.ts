import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsInt, IsOptional } from 'class-validator';
import type { OrgSettings } from '../organisations/organisation.js';

/** Each is null (or absent) where the server decides. */
export class ApiOrgSettings {
  @ApiPropertyOptional({ type: 'integer', nullable: true, minimum: 1, maximum: 730 })
  @IsOptional()
  @IsInt()
  kb_retention_days?: number | null;

  @ApiPropertyOptional({ type: 'integer', nullable: true, minimum: 100, maximum: 50_000 })
  @IsOptional()
  @IsInt()
  kb_max_context_words?: number | null;

  @ApiPropertyOptional({ type: 'integer', nullable: true, minimum: 1, maximum: 200 })
  @IsOptional()
  @IsInt()
  kb_section_page_limit?: number | null;

  static from(settings: OrgSettings): ApiOrgSettings {
    return {
      kb_retention_days: settings.kbRetentionDays,
      kb_max_context_words: settings.kbMaxContextWords,
      kb_section_page_limit: settings.kbSectionPageLimit,
    };
  }

  static toSettings(body: ApiOrgSettings): OrgSettings {
    return {
      kbRetentionDays: body.kb_retention_days ?? null,
      kbMaxContextWords: body.kb_max_context_words ?? null,
      kbSectionPageLimit: body.kb_section_page_limit ?? null,
    };
  }
}
