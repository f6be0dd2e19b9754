import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsIn, IsInt, IsOptional, IsString, Matches, Max, Min, ValidateIf } from 'class-validator';
import { DomainError, isUuid } from '#kernel';
import { decodeKeyset, encodeKeyset, INSTANT_SHAPE, nulAt } from '#platform';
import { isValidBranchName } from '#repos';
import type { PersonalSession } from '../account-sandboxes/personal-sessions.service.js';
import type { CloneHosts } from '../coding-sessions/clone-url.js';
import {
  CODING_STATUSES,
  type CodingSession,
  type CodingSessionEdit,
  type CodingStatus,
  type ListedCodingSession,
  type NewCodingSession,
} from '../coding-sessions/coding-session.js';
import type { CodingSessionListQuery } from '../coding-sessions/coding-sessions.repository.js';
import type { CodingSessionPage } from '../coding-sessions/coding-sessions.service.js';
import { isGithubOwner, isGithubRepository } from '../coding-sessions/github-names.js';
import { ApiChat } from './api-chats.dto.js';

const MAX_TITLE = 500;
const MAX_LINES = 2_147_483_647;

const text = (): object => ({ nullable: true, type: String });
const time = (): object => ({ nullable: true, type: String, format: 'date-time' });
const object = (): object => ({ nullable: true, type: 'object', additionalProperties: true });
const toIso = (date: Date | null): string | null => date?.toISOString() ?? null;

/** Only absence is skipped: null is a wrong value here (sandbox-sessions.md §A6.3). */
const IfPresent = (): PropertyDecorator => ValidateIf((_body: object, value: unknown) => value !== undefined);

export class ApiCreateSessionBody {
  @ApiPropertyOptional({ description: 'Display title; generated when absent or blank', maxLength: MAX_TITLE })
  @IfPresent()
  @IsString({ message: 'title must be a string' })
  title?: string;

  @ApiPropertyOptional({ description: 'GitHub user or organization' })
  @IfPresent()
  @IsString({ message: 'Invalid repository owner' })
  repoOwner?: string;

  @ApiPropertyOptional({ description: 'GitHub repository' })
  @IfPresent()
  @IsString({ message: 'Invalid repository name' })
  repoName?: string;

  @ApiPropertyOptional({ description: 'Branch to check out; ignored when isNewBranch is true' })
  @IfPresent()
  @IsString({ message: 'Invalid branch' })
  branch?: string;

  @ApiPropertyOptional({ description: 'What the sandbox clones: https, from an allowed host or this server' })
  @IfPresent()
  @IsString({ message: 'Invalid clone URL' })
  cloneUrl?: string;

  @ApiPropertyOptional({ default: false, description: 'Invent a fresh branch, e.g. xx/abcdef12' })
  @IfPresent()
  @IsBoolean({ message: 'Invalid isNewBranch value' })
  isNewBranch?: boolean;

  @ApiPropertyOptional({ enum: ['vercel'], default: 'vercel', description: "This server's own sandboxes" })
  @IfPresent()
  @IsIn(['vercel'], { message: 'Invalid sandbox type' })
  sandboxType?: string;

  @ApiPropertyOptional({ description: 'Accepted and ignored' })
  @IfPresent()
  @IsBoolean({ message: 'Invalid autoCommitPush value' })
  autoCommitPush?: boolean;

  @ApiPropertyOptional({ description: 'Accepted and ignored' })
  @IfPresent()
  @IsBoolean({ message: 'Invalid autoCreatePr value' })
  autoCreatePr?: boolean;

  @ApiPropertyOptional({ format: 'uuid', description: 'Account of an organization of the caller' })
  @IfPresent()
  @IsString({ message: 'organizationId must be a valid UUID' })
  organizationId?: string;

  @ApiPropertyOptional({ format: 'uuid' })
  @IfPresent()
  @IsString({ message: 'artistId must be a valid UUID' })
  artistId?: string;

  static toNew(body: ApiCreateSessionBody | undefined, hosts: CloneHosts): NewCodingSession {
    const given = body ?? new ApiCreateSessionBody();
    const isNewBranch = given.isNewBranch ?? false;
    return {
      title: given.title === undefined ? null : toTitle(given.title, 'title') || null,
      repoOwner: valid(given.repoOwner, isGithubOwner, 'repoOwner', 'Invalid repository owner'),
      repoName: valid(given.repoName, isGithubRepository, 'repoName', 'Invalid repository name'),
      branch: isNewBranch ? null : valid(given.branch, isValidBranchName, 'branch', 'Invalid branch'),
      cloneUrl: given.cloneUrl === undefined ? null : hosts.check(given.cloneUrl, 'cloneUrl'),
      isNewBranch,
      organizationId: valid(given.organizationId, isUuid, 'organizationId', 'organizationId must be a valid UUID'),
      artistId: valid(given.artistId, isUuid, 'artistId', 'artistId must be a valid UUID'),
    };
  }
}

function toTitle(given: string, field: string): string {
  const title = given.trim();
  if (title.length > MAX_TITLE)
    throw new DomainError('invalid_input', `${field} must have at most ${MAX_TITLE} characters`, { field });
  if (nulAt(title)) throw new DomainError('invalid_input', `${field} must not contain NUL`, { field });
  return title;
}

function valid(
  value: string | undefined,
  isValid: (value: string) => boolean,
  field: string,
  message: string,
): string | null {
  if (value === undefined) return null;
  if (!isValid(value)) throw new DomainError('invalid_input', message, { field });
  return value;
}

export class ApiEditSessionBody {
  @ApiPropertyOptional({ minLength: 1, maxLength: MAX_TITLE })
  @IfPresent()
  @Matches(/\S/, { message: 'title cannot be empty' })
  @IsString({ message: 'title must be a string' })
  title?: string;

  @ApiPropertyOptional({ enum: CODING_STATUSES })
  @IfPresent()
  @IsIn(CODING_STATUSES, { message: `status must be one of: ${CODING_STATUSES.join(', ')}` })
  status?: CodingStatus;

  @ApiPropertyOptional({ minimum: 0 }) @IfPresent() @Max(MAX_LINES) @Min(0) @IsInt() linesAdded?: number;
  @ApiPropertyOptional({ minimum: 0 }) @IfPresent() @Max(MAX_LINES) @Min(0) @IsInt() linesRemoved?: number;

  static toEdit(body: ApiEditSessionBody | undefined): CodingSessionEdit {
    const { title, status, linesAdded, linesRemoved } = body ?? new ApiEditSessionBody();
    return {
      ...(title !== undefined && { title: toTitle(title, 'title') }),
      ...(status !== undefined && { status }),
      ...(linesAdded !== undefined && { linesAdded }),
      ...(linesRemoved !== undefined && { linesRemoved }),
    };
  }
}

/** The version in `If-Match`; null when there is none, or any will do. Errors: `invalid_input`. */
export function toVersion(header: string | undefined): number | null {
  if (header === undefined || header.trim() === '*') return null;
  const digits = /^\s*"?(\d{1,9})"?\s*$/.exec(header)?.[1];
  if (digits !== undefined) return Number(digits);
  throw new DomainError('invalid_input', 'If-Match must be a lifecycleVersion', { field: 'If-Match' });
}

/** sandbox-sessions.md §A7: nullable members are there with null. */
export class ApiSession {
  @ApiProperty() id!: string;
  @ApiProperty({ format: 'uuid' }) userId!: string;
  @ApiProperty({ ...text(), format: 'uuid' }) artistId!: string | null;
  @ApiProperty() title!: string;
  @ApiProperty({ enum: CODING_STATUSES }) status!: string;
  @ApiProperty(text()) repoOwner!: string | null;
  @ApiProperty(text()) repoName!: string | null;
  @ApiProperty(text()) branch!: string | null;
  @ApiProperty(text()) cloneUrl!: string | null;
  @ApiProperty() isNewBranch!: boolean;
  @ApiProperty({ type: 'array', items: { type: 'object', additionalProperties: true } }) globalSkillRefs!: object[];
  @ApiProperty({ type: 'object', additionalProperties: true }) sandboxState!: Record<string, unknown>;
  @ApiProperty({
    ...text(),
    enum: ['provisioning', 'active', 'hibernating', 'hibernated', 'restoring', 'archived', 'failed'],
    description: 'Null for a session that left the archive and was not resumed yet',
  })
  lifecycleState!: string | null;
  @ApiProperty({ description: 'Raised by every step of the lifecycle; may be sent back as If-Match' })
  lifecycleVersion!: number;
  @ApiProperty(time()) lastActivityAt!: string | null;
  @ApiProperty(time()) sandboxExpiresAt!: string | null;
  @ApiProperty(time()) hibernateAfter!: string | null;
  @ApiProperty(text()) lifecycleRunId!: string | null;
  @ApiProperty(text()) lifecycleError!: string | null;
  @ApiProperty() linesAdded!: number;
  @ApiProperty() linesRemoved!: number;
  @ApiProperty(text()) snapshotUrl!: string | null;
  @ApiProperty(time()) snapshotCreatedAt!: string | null;
  @ApiProperty({ nullable: true, type: Number }) snapshotSizeBytes!: number | null;
  @ApiProperty(object()) cachedDiff!: Record<string, unknown> | null;
  @ApiProperty(time()) cachedDiffUpdatedAt!: string | null;
  @ApiProperty({ format: 'date-time' }) createdAt!: string;
  @ApiProperty({ format: 'date-time' }) updatedAt!: string;

  static from(session: CodingSession): ApiSession {
    return {
      id: session.id,
      userId: session.userId,
      artistId: session.artistId,
      title: session.title,
      status: session.status,
      repoOwner: session.repoOwner,
      repoName: session.repoName,
      branch: session.branch,
      cloneUrl: session.cloneUrl,
      isNewBranch: session.isNewBranch,
      globalSkillRefs: session.skills.map((skillName) => ({ source: 'account', skillName })),
      sandboxState: toSandboxState(session),
      lifecycleState: session.state,
      lifecycleVersion: session.version,
      lastActivityAt: toIso(session.lastActivityAt),
      sandboxExpiresAt: toIso(session.expiresAt),
      hibernateAfter: toIso(session.hibernateAfter),
      lifecycleRunId: session.leaseId,
      lifecycleError: session.error,
      linesAdded: session.linesAdded,
      linesRemoved: session.linesRemoved,
      snapshotUrl: session.snapshotUrl,
      snapshotCreatedAt: toIso(session.snapshotCreatedAt),
      snapshotSizeBytes: session.snapshotBytes,
      cachedDiff: session.cachedDiff,
      cachedDiffUpdatedAt: toIso(session.cachedDiffAt),
      createdAt: session.createdAt.toISOString(),
      updatedAt: session.updatedAt.toISOString(),
    };
  }
}

/** §A12.4: `expiresAt` is there only while the sandbox runs, and moves with it. */
function toSandboxState({ providerState, state, expiresAt }: CodingSession): Record<string, unknown> {
  return { ...providerState, ...(state === 'active' && expiresAt && { expiresAt: expiresAt.getTime() }) };
}

export class ApiOneSession {
  @ApiProperty({ type: ApiSession }) session!: ApiSession;
}

export class ApiCreatedSession extends ApiOneSession {
  @ApiProperty({ type: ApiChat }) chat!: ApiChat;
}

export class ApiPersonalSession extends ApiCreatedSession {
  @ApiProperty({ description: 'What may be said first, so that the agent knows where it is' }) bootstrapPrompt!: string;

  static from({ session, chat, bootstrapPrompt }: PersonalSession, model: string | null): ApiPersonalSession {
    return { session: ApiSession.from(session), chat: ApiChat.from(chat, model), bootstrapPrompt };
  }
}

export class ApiListedSession {
  @ApiProperty() id!: string;
  @ApiProperty() title!: string;
  @ApiProperty({ enum: CODING_STATUSES }) status!: string;
  @ApiProperty(text()) repoOwner!: string | null;
  @ApiProperty(text()) repoName!: string | null;
  @ApiProperty(text()) branch!: string | null;
  @ApiProperty() linesAdded!: number;
  @ApiProperty() linesRemoved!: number;
  @ApiProperty({ format: 'date-time' }) createdAt!: string;
  @ApiProperty({ format: 'date-time', description: 'When its newest chat changed' }) lastActivityAt!: string;
  @ApiProperty() hasUnread!: boolean;
  @ApiProperty() hasStreaming!: boolean;
  @ApiProperty(text()) latestChatId!: string | null;

  static from(session: ListedCodingSession): ApiListedSession {
    return {
      ...session,
      createdAt: session.createdAt.toISOString(),
      lastActivityAt: session.lastActivityAt.toISOString(),
    };
  }
}

class ApiSessionPagination {
  @ApiProperty() limit!: number;
  @ApiProperty() offset!: number;
  @ApiProperty() hasMore!: boolean;
  @ApiProperty() nextOffset!: number;
}

export class ApiSessionList {
  @ApiProperty({ type: [ApiListedSession] }) sessions!: ApiListedSession[];
  @ApiPropertyOptional({ description: 'Absent when all sessions are listed' }) archivedCount?: number;
  @ApiPropertyOptional({ type: ApiSessionPagination, description: 'Of archived sessions only' })
  pagination?: ApiSessionPagination;
  @ApiProperty({ ...text(), description: 'Position after this page, for `cursor`' }) nextCursor!: string | null;

  static from(page: CodingSessionPage, query: CodingSessionListQuery): ApiSessionList {
    const last = page.sessions.at(-1);
    const { limit, offset } = query;
    return {
      sessions: page.sessions.map((session) => ApiListedSession.from(session)),
      ...(page.archivedCount !== null && { archivedCount: page.archivedCount }),
      ...(query.status === 'archived' && {
        pagination: { limit, offset, hasMore: page.hasMore, nextOffset: offset + page.sessions.length },
      }),
      nextCursor: page.hasMore && last ? encodeKeyset([last.createdAt.toISOString(), last.id]) : null,
    };
  }
}

const POSITION = [INSTANT_SHAPE, /^[A-Za-z0-9_-]{1,100}$/];
/** Sessions a list holds that is not asked for archived ones: their clients know no pages. */
const UNPAGED = 500;

export class ApiSessionListQuery {
  @ApiPropertyOptional({ enum: ['all', 'active', 'archived'], default: 'all' })
  @IsOptional()
  @IsIn(['all', 'active', 'archived'], { message: 'Invalid status filter' })
  status?: 'all' | 'active' | 'archived';

  @ApiPropertyOptional({ type: Number, default: 50, description: 'Of archived sessions; brought into 1 to 100' })
  @IsOptional()
  @Matches(/^\d{1,9}$/, { message: 'Invalid archived limit' })
  limit?: string;

  @ApiPropertyOptional({ type: Number, default: 0, description: 'Of archived sessions' })
  @IsOptional()
  @Matches(/^\d{1,9}$/, { message: 'Invalid archived offset' })
  offset?: string;

  @ApiPropertyOptional({ description: '`nextCursor` of the page before; `offset` is ignored then' })
  @IsOptional()
  @Matches(/^[A-Za-z0-9_-]{1,400}$/, { message: 'Invalid cursor' })
  cursor?: string;

  static toList({ status, limit, offset, cursor }: ApiSessionListQuery): CodingSessionListQuery {
    const [createdAt = '', id = ''] = cursor ? decodeKeyset(cursor, POSITION) : [];
    const isArchived = status === 'archived';
    return {
      status: status === undefined || status === 'all' ? null : status,
      limit: isArchived ? Math.min(Math.max(Number(limit ?? 50), 1), 100) : UNPAGED,
      offset: isArchived && !cursor ? Number(offset ?? 0) : 0,
      after: cursor ? { createdAt, id } : null,
    };
  }
}

export class ApiSuccess {
  @ApiProperty({ enum: [true] }) success!: true;
}
