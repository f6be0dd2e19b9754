import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsInt, IsOptional, IsString, Matches, Max, MaxLength, Min, MinLength } from 'class-validator';
import { DomainError } from '#kernel';
import { BIGINT_SHAPE, decodeKeyset, encodeKeyset, UUID_SHAPE } from '#platform';
import { normaliseRemote } from '../archive/git-remote.js';
import { toolFamily } from '../captured-session.js';
import { type Excerpt, marked } from '../search/highlights.js';
import type { ReindexReport } from '../search/reindex.service.js';
import type { SearchFilters, SearchPlace } from '../search/search.repository.js';
import type { SearchPage, SearchResult } from '../search/search.service.js';
import { CommitFilter } from './commit-filter.js';

const NO_NUL = { message: 'Null bytes not allowed in input' };
const toInt = Transform(({ value }: { value: unknown }) =>
  typeof value === 'string' && value !== '' ? Number(value) : value,
);
const nullable = (type: 'string' | 'integer'): object => ({ nullable: true, type });
const DAY_MS = 86_400_000;
/** A day, or a moment with its zone. */
const MOMENT = /^[1-9]\d{3}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2}))?$/;

/** A text filter of at most `length` characters. */
const Filter = (length: number, description: string): PropertyDecorator => {
  const rules = [
    ApiPropertyOptional({ maxLength: length, description }),
    IsOptional(),
    MaxLength(length),
    Matches(/^[^\0]*$/, NO_NUL),
    IsString(),
  ];
  return (target, name) => rules.forEach((rule) => rule(target, name));
};

export class CapturedSearchQuery {
  @ApiProperty({
    minLength: 1,
    maxLength: 500,
    description: 'Words, "phrases", beginnings of words (foo*), identifiers',
  })
  @Matches(/^[^\0]*$/, NO_NUL)
  @MaxLength(500)
  @MinLength(1)
  @IsString()
  q!: string;

  @Filter(50, 'A tool; gemini and copilot stand for their command lines too') tool?: string;
  @Filter(100, 'A model, as `model_id` says it') model?: string;
  @Filter(2048, '`owner/repo`, or a remote of it') repo?: string;
  @Filter(255, 'A branch') branch?: string;
  @Filter(50, 'A tag') tag?: string;
  @CommitFilter() commit?: string;

  @ApiPropertyOptional({ minimum: 1, maximum: 365, description: 'Changed in the last days' })
  @IsOptional()
  @Max(365)
  @Min(1)
  @IsInt()
  @toInt
  days?: number;

  @ApiPropertyOptional({ description: 'Changed at or after that day (UTC) or moment' })
  @IsOptional()
  @Matches(MOMENT)
  @IsString()
  since?: string;

  @ApiPropertyOptional({ description: 'Changed before that day (UTC) or moment' })
  @IsOptional()
  @Matches(MOMENT)
  @IsString()
  until?: string;

  @ApiPropertyOptional({ minimum: 1, default: 1 }) @IsOptional() @Max(1_000_000) @Min(1) @IsInt() @toInt page?: number;
  @ApiPropertyOptional({ minimum: 1, maximum: 50, default: 20 })
  @IsOptional()
  @Max(50)
  @Min(1)
  @IsInt()
  @toInt
  page_size?: number;

  @ApiPropertyOptional({ description: '`next_cursor` of the page before; `page` is ignored then' })
  @IsOptional()
  @MaxLength(200)
  @IsString()
  cursor?: string;

  static toSearch(query: CapturedSearchQuery, now: Date): { page: number; filters: SearchFilters; place: SearchPlace } {
    const limit = query.page_size ?? 20;
    const page = query.page ?? 1;
    const after = query.cursor ? decodeKeyset(query.cursor, [BIGINT_SHAPE, BIGINT_SHAPE, UUID_SHAPE]) : null;
    const [score = '', at = '', uid = ''] = after ?? [];
    return {
      page,
      filters: filtersOf(query, now),
      place: { limit, offset: after ? 0 : (page - 1) * limit, after: after && [score, at, uid] },
    };
  }
}

function filtersOf(query: CapturedSearchQuery, now: Date): SearchFilters {
  const { tool, model, repo, branch, tag, commit, days, since, until } = query;
  const earliest = [
    ...(since === undefined ? [] : [moment('since', since)]),
    ...(days === undefined ? [] : [new Date(now.getTime() - days * DAY_MS)]),
  ];
  return {
    tools: tool ? toolFamily(tool) : null,
    model: model || null,
    repo: repo ? normaliseRemote(repo) : null,
    branch: branch || null,
    tag: tag || null,
    commit: commit ?? null,
    since: earliest.length > 0 ? new Date(Math.max(...earliest.map(Number))) : null,
    until: until === undefined ? null : moment('until', until),
  };
}

function moment(field: string, text: string): Date {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) throw new DomainError('invalid_input', `${field} is no date`, { field });
  return at;
}

export class CapturedSearchHighlight {
  @ApiProperty() start!: number;
  @ApiProperty({ description: 'Exclusive' }) end!: number;
}

export class CapturedSearchMatch {
  @ApiProperty({ description: 'HTML: text is escaped, matches are in <mark>' }) snippet!: string;
  @ApiProperty({ description: 'The same as plain text' }) text!: string;
  @ApiProperty({ type: [CapturedSearchHighlight], description: 'Matches in `text`, in UTF-16 units' })
  highlights!: CapturedSearchHighlight[];
  @ApiProperty({ enum: ['messages', 'title'] }) field!: string;
  @ApiProperty({ ...nullable('integer'), description: 'Lines of messages.jsonl around it, from 0' })
  first_message!: number | null;
  @ApiProperty(nullable('integer')) last_message!: number | null;
}

export class CapturedSearchResult {
  @ApiProperty() session_id!: string;
  @ApiProperty(nullable('string')) title!: string | null;
  @ApiProperty(nullable('string')) alias!: string | null;
  @ApiProperty({ type: [String] }) tags!: string[];
  @ApiProperty() source_tool!: string;
  @ApiProperty(nullable('string')) model_id!: string | null;
  @ApiProperty() message_count!: number;
  @ApiProperty({ ...nullable('string'), description: '`owner/repo`, lowercase' }) git_remote!: string | null;
  @ApiProperty(nullable('string')) git_branch!: string | null;
  @ApiProperty({ description: "False for a colleague's session" }) is_own!: boolean;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ format: 'date-time' }) updated_at!: string;
  @ApiProperty({ description: 'Comparable within one search only' }) score!: number;
  @ApiProperty({ type: [CapturedSearchMatch], description: 'None or one' }) matches!: CapturedSearchMatch[];

  static from({ session, score, match }: SearchResult): CapturedSearchResult {
    return {
      session_id: session.id,
      title: session.title,
      alias: session.alias,
      tags: [...session.tags],
      source_tool: session.sourceTool,
      model_id: session.modelId,
      message_count: session.messageCount,
      git_remote: session.gitRemote,
      git_branch: session.gitBranch,
      is_own: session.isOwn,
      created_at: session.createdAt.toISOString(),
      updated_at: session.updatedAt.toISOString(),
      score: Number(score) / 1_000_000,
      matches: match ? [matchFrom(match)] : [],
    };
  }
}

function matchFrom(
  match: Excerpt & Pick<NonNullable<SearchResult['match']>, 'field' | 'firstMessage' | 'lastMessage'>,
) {
  return {
    snippet: marked(match),
    text: match.text,
    highlights: [...match.highlights],
    field: match.field,
    first_message: match.firstMessage,
    last_message: match.lastMessage,
  };
}

export class CapturedFacetCount {
  @ApiProperty() value!: string;
  @ApiProperty() count!: number;
}

/** The most frequent values among all results, not only those of the page. */
export class CapturedSearchFacets {
  @ApiProperty({ type: [CapturedFacetCount] }) tools!: CapturedFacetCount[];
  @ApiProperty({ type: [CapturedFacetCount] }) models!: CapturedFacetCount[];
  @ApiProperty({ type: [CapturedFacetCount] }) repos!: CapturedFacetCount[];
  @ApiProperty({ type: [CapturedFacetCount] }) branches!: CapturedFacetCount[];
  @ApiProperty({ type: [CapturedFacetCount] }) tags!: CapturedFacetCount[];
}

/** sessionfs-1.md §7.11, with facets and a cursor. */
export class CapturedSearchPage {
  @ApiProperty({ type: [CapturedSearchResult] }) results!: CapturedSearchResult[];
  @ApiProperty() total!: number;
  @ApiProperty() page!: number;
  @ApiProperty() page_size!: number;
  @ApiProperty() query!: string;
  @ApiProperty({ description: 'Position after this page, for `cursor`', ...nullable('string') })
  next_cursor!: string | null;
  @ApiProperty({ type: CapturedSearchFacets }) facets!: CapturedSearchFacets;

  static from(found: SearchPage, query: string, page: number, pageSize: number): CapturedSearchPage {
    return {
      results: found.results.map((result) => CapturedSearchResult.from(result)),
      total: found.total,
      page,
      page_size: pageSize,
      query,
      next_cursor: found.next ? encodeKeyset([...found.next]) : null,
      facets: {
        tools: [...found.facets.tools],
        models: [...found.facets.models],
        repos: [...found.facets.repos],
        branches: [...found.facets.branches],
        tags: [...found.facets.tags],
      },
    };
  }
}

export class CapturedReindexed {
  @ApiProperty() reindexed!: number;
  @ApiProperty({ description: 'Sessions whose stored facts have changed' }) updated!: number;
  @ApiProperty({ description: 'Sessions that could not be read' }) errors!: number;

  static from({ reindexed, updated, errors }: ReindexReport): CapturedReindexed {
    return { reindexed, updated, errors };
  }
}
