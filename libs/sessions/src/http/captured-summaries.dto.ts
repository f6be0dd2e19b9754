import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsInt, IsISO8601, IsOptional, IsString, Matches, Max, MaxLength, Min } from 'class-validator';
import { DomainError } from '#kernel';
import { decodeKeyset, encodeKeyset, INSTANT_SHAPE, UUID_SHAPE } from '#platform';
import type { ModelWish } from '../models/judge-settings.js';
import type { SessionSummary } from '../summaries/summaries.service.js';
import type { SummaryListItem, SummaryListQuery } from '../summaries/summary.js';
import { MAX_KEY, MAX_URL, NO_NUL, PRINTABLE } from './captured-judge-settings.dto.js';

const TEXT = { nullable: true, type: String } as const;
const TEXTS = { nullable: true, type: 'array', items: { type: 'string' } } as const;

export class CapturedNarrativeError {
  @ApiProperty({ description: '`llm_request_failed`, `llm_timeout`, `not_json`, …' }) code!: string;
  @ApiProperty() message!: string;
}

/** sessionfs-1.md §7.12, with what became of the narrative. */
export class CapturedSummary {
  @ApiProperty() session_id!: string;
  @ApiProperty() title!: string;
  @ApiProperty() tool!: string;
  @ApiProperty(TEXT) model!: string | null;
  @ApiProperty() duration_minutes!: number;
  @ApiProperty() message_count!: number;
  @ApiProperty() tool_call_count!: number;
  @ApiProperty(TEXT) branch!: string | null;
  @ApiProperty(TEXT) commit!: string | null;
  @ApiProperty({ type: [String] }) files_modified!: string[];
  @ApiProperty({ type: [String] }) files_read!: string[];
  @ApiProperty() commands_executed!: number;
  @ApiProperty() tests_run!: number;
  @ApiProperty() tests_passed!: number;
  @ApiProperty() tests_failed!: number;
  @ApiProperty({ type: [String] }) packages_installed!: string[];
  @ApiProperty({ type: [String], maxItems: 5 }) errors_encountered!: string[];
  @ApiProperty(TEXT) what_happened!: string | null;
  @ApiProperty(TEXTS) key_decisions!: string[] | null;
  @ApiProperty(TEXT) outcome!: string | null;
  @ApiProperty(TEXTS) open_issues!: string[] | null;
  @ApiProperty(TEXT) narrative_model!: string | null;
  @ApiProperty({
    nullable: true,
    type: Boolean,
    description: 'False: the narrative is of an older version and is being refreshed, or could not be',
  })
  narrative_is_current!: boolean | null;
  @ApiProperty({
    nullable: true,
    type: CapturedNarrativeError,
    description: 'Why the narrative that was asked for last did not come',
  })
  narrative_error!: CapturedNarrativeError | null;
  @ApiProperty({ type: [String] }) personas_active!: string[];
  @ApiProperty({ format: 'date-time' }) generated_at!: string;

  static from({ session, stored }: SessionSummary): CapturedSummary {
    const { summary, narrative, narrativeProblem } = stored;
    return {
      session_id: session.id,
      title: session.title ?? 'Untitled',
      tool: session.sourceTool,
      model: session.modelId,
      duration_minutes: summary.durationMinutes,
      message_count: session.messageCount,
      tool_call_count: summary.toolCallCount,
      branch: summary.branch,
      commit: summary.commit,
      files_modified: [...summary.filesModified],
      files_read: [...summary.filesRead],
      commands_executed: summary.commandsExecuted,
      tests_run: summary.testsRun,
      tests_passed: summary.testsPassed,
      tests_failed: summary.testsFailed,
      packages_installed: [...summary.packagesInstalled],
      errors_encountered: [...summary.errorsEncountered],
      what_happened: narrative?.whatHappened ?? null,
      key_decisions: narrative && [...narrative.keyDecisions],
      outcome: narrative?.outcome ?? null,
      open_issues: narrative && [...narrative.openIssues],
      narrative_model: narrative?.model ?? null,
      narrative_is_current: narrative && narrative.versionId === stored.versionId,
      narrative_error: narrativeProblem && { code: narrativeProblem.code, message: narrativeProblem.message },
      personas_active: session.personaName === null ? [] : [session.personaName],
      generated_at: stored.summarizedAt.toISOString(),
    };
  }
}

/** Absent members are filled from the saved judge settings. */
export class CapturedNarrativeBody {
  @ApiPropertyOptional({ maxLength: 200, ...TEXT })
  @IsOptional()
  @Matches(NO_NUL)
  @MaxLength(200)
  @IsString()
  model?: string | null;

  @ApiPropertyOptional({ maxLength: 50, ...TEXT })
  @IsOptional()
  @Matches(NO_NUL)
  @MaxLength(50)
  @IsString()
  provider?: string | null;

  @ApiPropertyOptional({ maxLength: MAX_KEY, ...TEXT })
  @IsOptional()
  @Matches(PRINTABLE, { message: 'llm_api_key must be printable ASCII without spaces' })
  @MaxLength(MAX_KEY)
  @IsString()
  llm_api_key?: string | null;

  @ApiPropertyOptional({ maxLength: MAX_URL, ...TEXT })
  @IsOptional()
  @Matches(NO_NUL)
  @MaxLength(MAX_URL)
  @IsString()
  base_url?: string | null;

  static toWish({ model, provider, llm_api_key, base_url }: CapturedNarrativeBody): ModelWish {
    return {
      model: model || null,
      provider: provider || null,
      apiKey: llm_api_key || null,
      baseUrl: base_url || null,
    };
  }
}

/** The counts are there when the session's present version was summarised. */
export class CapturedSummaryItem {
  @ApiProperty() session_id!: string;
  @ApiProperty(TEXT) title!: string | null;
  @ApiProperty() tool!: string;
  @ApiProperty() message_count!: number;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiPropertyOptional() tool_call_count?: number;
  @ApiPropertyOptional({ type: [String] }) files_modified?: string[];
  @ApiPropertyOptional() commands_executed?: number;
  @ApiPropertyOptional() tests_run?: number;
  @ApiPropertyOptional() tests_passed?: number;
  @ApiPropertyOptional() tests_failed?: number;

  static from({ sessionId, title, tool, messageCount, createdAt, summary }: SummaryListItem): CapturedSummaryItem {
    return {
      session_id: sessionId,
      title,
      tool,
      message_count: messageCount,
      created_at: createdAt.toISOString(),
      ...(summary && {
        tool_call_count: summary.toolCallCount,
        files_modified: [...summary.filesModified],
        commands_executed: summary.commandsExecuted,
        tests_run: summary.testsRun,
        tests_passed: summary.testsPassed,
        tests_failed: summary.testsFailed,
      }),
    };
  }
}

const CURSOR_SHAPES = [INSTANT_SHAPE, UUID_SHAPE];
const toInt = Transform(({ value }: { value: unknown }) =>
  typeof value === 'string' && value !== '' ? Number(value) : value,
);

/** Clients write the `+` of a zone as it is, and it arrives as a space. */
const zoned = Transform(({ value }: { value: unknown }) =>
  typeof value === 'string' ? value.replace(/ (\d\d:?\d\d)$/, '+$1') : value,
);

export class CapturedSummariesQuery {
  @ApiPropertyOptional({ format: 'date-time', description: 'Uploaded then or later' })
  @IsOptional()
  @zoned
  @IsISO8601({ strict: true })
  since?: string;

  @ApiPropertyOptional({ format: 'date-time', description: 'Uploaded then or before' })
  @IsOptional()
  @zoned
  @IsISO8601({ strict: true })
  until?: string;

  @ApiPropertyOptional({ minimum: 1, maximum: 100, default: 100 })
  @IsOptional()
  @toInt
  @Max(100)
  @Min(1)
  @IsInt()
  limit?: number;

  @ApiPropertyOptional({ description: '`X-Next-Cursor` of the page before' })
  @IsOptional()
  @MaxLength(200)
  @IsString()
  cursor?: string;

  static toList({ since, until, limit, cursor }: CapturedSummariesQuery): SummaryListQuery {
    const [createdAt = '', uid = ''] = cursor ? decodeKeyset(cursor, CURSOR_SHAPES) : [];
    return {
      since: instant(since, 'since'),
      until: instant(until, 'until'),
      after: cursor ? { createdAt, uid } : null,
      limit: limit ?? 100,
    };
  }
}

export function nextCursor(items: readonly SummaryListItem[], hasMore: boolean): string | null {
  const last = items.at(-1);
  return hasMore && last ? encodeKeyset([last.createdAt.toISOString(), last.uid]) : null;
}

/** A time without a zone is UTC, wherever the server runs. */
function instant(text: string | undefined, field: string): Date | null {
  if (!text) return null;
  const date = new Date(/T.*(?:Z|[+-]\d\d:?\d\d)$/i.test(text) || !text.includes('T') ? text : `${text}Z`);
  if (Number.isNaN(date.getTime())) throw new DomainError('invalid_input', `${field} is no time`, { field });
  return date;
}
