import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsString, ValidateIf } from 'class-validator';
import { DomainError } from '#kernel';
import { AsSent } from '#platform';
import type { CheckRun } from '../workbench/check-fixes.js';
import { DIFF_STATUSES, STAGING_STATUSES } from '../workbench/checkout-diff.js';
import type { CachedDiff } from '../workbench/checkout-diff.service.js';
import type { GitStatus } from '../workbench/git-work.service.js';

export class ApiSuggestedPath {
  @ApiProperty({ description: 'Below the checkout' }) value!: string;
  @ApiProperty({ description: 'With a slash behind a directory' }) display!: string;
  @ApiProperty() isDirectory!: boolean;
}

export class ApiSuggestedPaths {
  @ApiProperty({ type: [ApiSuggestedPath], maxItems: 5_000 }) files!: ApiSuggestedPath[];
}

export class ApiTextFile {
  @ApiProperty() path!: string;
  @ApiProperty() content!: string;
  @ApiProperty({ description: 'Bytes' }) size!: number;
}

class ApiDiffFile {
  @ApiProperty() path!: string;
  @ApiProperty({ enum: DIFF_STATUSES }) status!: (typeof DIFF_STATUSES)[number];
  @ApiProperty({ enum: STAGING_STATUSES, description: 'Committed work counts as staged' })
  stagingStatus!: (typeof STAGING_STATUSES)[number];
  @ApiProperty() additions!: number;
  @ApiProperty() deletions!: number;
  @ApiProperty({ description: 'Unified; empty for generated files and where it is too long' }) diff!: string;
  @ApiPropertyOptional({ description: 'What of it is not committed; absent when all is' }) localDiff?: string;
  @ApiPropertyOptional({ description: 'Of a renamed file' }) oldPath?: string;
  @ApiPropertyOptional({ enum: [true], description: 'A lock file or the like' }) generated?: true;
  @ApiPropertyOptional({ enum: [true], description: 'Also for files of more than 1 MiB' }) binary?: true;
  @ApiPropertyOptional({ enum: [true], description: 'A text was left out for its size' }) truncated?: true;
}

class ApiDiffSummary {
  @ApiProperty({ description: 'Also those beyond the 2,000 that are listed' }) totalFiles!: number;
  @ApiProperty() totalAdditions!: number;
  @ApiProperty() totalDeletions!: number;
}

export class ApiDiff {
  @ApiProperty({ type: [ApiDiffFile] }) files!: readonly ApiDiffFile[];
  @ApiProperty({ type: ApiDiffSummary }) summary!: ApiDiffSummary;
  @ApiProperty({ description: 'The branch whose merge base is compared with, or HEAD' }) baseRef!: string;
}

export class ApiCachedDiff {
  @ApiProperty({ type: ApiDiff }) data!: object;
  @ApiProperty({ format: 'date-time' }) cachedAt!: string;
  @ApiProperty({ enum: [true] }) isStale!: true;

  static from({ diff, at }: CachedDiff): ApiCachedDiff {
    return { data: diff, cachedAt: at.toISOString(), isStale: true };
  }
}

/** Only absence means everything: who sends null for a path did not mean that. */
const IfPresent = (): PropertyDecorator => ValidateIf((_body: object, value: unknown) => value !== undefined);

export class ApiDiscardBody {
  @ApiPropertyOptional({ description: 'Everything when absent' })
  @IfPresent()
  @IsString({ message: 'Invalid file path' })
  filePath?: string;

  @ApiPropertyOptional({ description: 'What filePath was renamed from' })
  @IfPresent()
  @IsString({ message: 'Invalid file path' })
  oldPath?: string;

  /** `oldPath` alone is refused: its sender did not mean everything. */
  static toPaths(body: ApiDiscardBody | undefined): string[] {
    const { filePath, oldPath } = body ?? new ApiDiscardBody();
    if (filePath === undefined && oldPath !== undefined)
      throw new DomainError('invalid_input', 'oldPath needs filePath', { field: 'filePath' });
    return [filePath, oldPath].filter((path) => path !== undefined);
  }
}

export class ApiDiscarded {
  @ApiProperty({ enum: [true] }) discarded!: true;
  @ApiProperty() hasUncommittedChanges!: boolean;
}

export class ApiGitStatusBody {
  @ApiProperty() @IsString({ message: 'sessionId is required' }) sessionId!: string;

  static idOf(body: ApiGitStatusBody | undefined): string {
    const id = body?.sessionId ?? '';
    if (id === '') throw new DomainError('invalid_input', 'sessionId is required', { field: 'sessionId' });
    return id;
  }
}

export class ApiGitStatus {
  @ApiProperty({ nullable: true, type: String }) branch!: string | null;
  @ApiProperty() isDetachedHead!: boolean;
  @ApiProperty() hasUncommittedChanges!: boolean;
  @ApiProperty() hasUnpushedCommits!: boolean;
  @ApiProperty() stagedCount!: number;
  @ApiProperty() unstagedCount!: number;
  @ApiProperty() untrackedCount!: number;
  @ApiProperty({ description: 'How many files have uncommitted changes' }) uncommittedFiles!: number;

  static from({ branch, hasUnpushedCommits, changes }: GitStatus): ApiGitStatus {
    const all = [...changes.values()];
    return {
      branch,
      isDetachedHead: branch === null,
      hasUncommittedChanges: all.length > 0,
      hasUnpushedCommits,
      stagedCount: all.filter(({ isStaged }) => isStaged).length,
      unstagedCount: all.filter(({ isUnstaged, isUntracked }) => isUnstaged && !isUntracked).length,
      untrackedCount: all.filter(({ isUntracked }) => isUntracked).length,
      uncommittedFiles: all.length,
    };
  }
}

export class ApiCommitMessage {
  @ApiProperty({ maxLength: 72 }) message!: string;
}

const MAX_CHECKS = 10;
const MAX_NAME = 200;
const MAX_URL = 2_000;

/** Checks as GitHub's API gives them, in its casing or in this surface's. */
export class ApiFixChecksBody {
  @ApiProperty({
    maxItems: MAX_CHECKS,
    type: 'array',
    items: {
      type: 'object',
      required: ['name'],
      properties: {
        name: { type: 'string' },
        conclusion: { type: 'string', description: 'Those that succeeded, are neutral or were skipped are left out' },
        detailsUrl: { type: 'string' },
        output: {
          type: 'object',
          properties: { title: { type: 'string' }, summary: { type: 'string' }, text: { type: 'string' } },
        },
      },
    },
  })
  @AsSent()
  checkRuns!: unknown;

  static toChecks(body: ApiFixChecksBody | undefined): CheckRun[] {
    const runs: unknown = body?.checkRuns;
    if (!Array.isArray(runs) || runs.length === 0 || runs.length > MAX_CHECKS)
      throw new DomainError('invalid_input', `checkRuns must have 1 to ${MAX_CHECKS} entries`, { field: 'checkRuns' });
    return runs.map((run: unknown, index) => toCheck(run, `checkRuns.${index}`));
  }
}

function toCheck(run: unknown, field: string): CheckRun {
  if (!isObject(run)) throw new DomainError('invalid_input', `${field} must be an object`, { field });
  const name = textIn(run, ['name'], field, MAX_NAME);
  if (!name?.trim()) throw new DomainError('invalid_input', `${field}.name is required`, { field: `${field}.name` });
  const output = isObject(run['output']) ? run['output'] : run;
  return {
    name,
    conclusion: textIn(run, ['conclusion'], field, MAX_NAME),
    detailsUrl: textIn(run, ['detailsUrl', 'details_url', 'html_url'], field, MAX_URL),
    title: textIn(output, ['title'], field),
    summary: textIn(output, ['summary'], field),
    text: textIn(output, ['text', 'logs'], field),
  };
}

function textIn(from: Record<string, unknown>, names: readonly string[], field: string, max?: number): string | null {
  const name = names.find((candidate) => from[candidate] !== undefined && from[candidate] !== null);
  if (name === undefined) return null;
  const value = from[name];
  if (typeof value !== 'string' || (max !== undefined && value.length > max))
    throw new DomainError(
      'invalid_input',
      `${field}.${name} must be a text${max ? ` of at most ${max} characters` : ''}`,
      {
        field: `${field}.${name}`,
      },
    );
  return value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

class ApiCheckSnippet {
  @ApiProperty() name!: string;
  @ApiProperty({ nullable: true, type: String }) detailsUrl!: string | null;
  @ApiProperty({ description: 'The end of what the check says' }) content!: string;
}

export class ApiChecksFix {
  @ApiProperty({ description: 'For a chat of the session' }) prompt!: string;
  @ApiProperty({ type: [ApiCheckSnippet] }) snippets!: readonly ApiCheckSnippet[];
}

class ApiFoundSkill {
  @ApiProperty() name!: string;
  @ApiProperty() description!: string;
}

export class ApiFoundSkills {
  @ApiProperty({ type: [ApiFoundSkill] }) skills!: readonly ApiFoundSkill[];
}
