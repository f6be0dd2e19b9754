import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsIn, IsNotEmpty, IsOptional, IsString, ValidateIf } from 'class-validator';
import { DomainError } from '#kernel';
import { isValidBranchName } from '#repos';
import type { CodingSession } from '../coding-sessions/coding-session.js';
import { sandboxName } from '../lifecycle/life.js';
import { EXTENSION_MS } from '../lifecycle/life-times.js';
import type { Resumed } from '../lifecycle/coding-lifecycle.service.js';
import type { NewSandbox } from '../lifecycle/coding-sandboxes.service.js';
import { isOpaqueId, sessionNotFound } from '../sandbox.js';

const IfPresent = (): PropertyDecorator => ValidateIf((_body: object, value: unknown) => value !== undefined);
const moment = (): object => ({ nullable: true, type: Number, description: 'Milliseconds since the Unix epoch' });
const toMs = (date: Date | null): number | null => date?.getTime() ?? null;

export class ApiProvisionBody {
  @ApiPropertyOptional({ description: 'Repository to clone; that of the session when left out' })
  @IfPresent()
  @IsNotEmpty({ message: 'repoUrl cannot be empty' })
  @IsString({ message: 'repoUrl must be a valid GitHub repository URL' })
  repoUrl?: string;

  @ApiPropertyOptional({ description: 'Without one a session is made, and named in the answer' })
  @IfPresent()
  @IsString({ message: 'Invalid sessionId' })
  sessionId?: string;

  @ApiPropertyOptional({ description: 'Unless the session has one; the default branch when left out' })
  @IfPresent()
  @IsString({ message: 'Invalid branch' })
  branch?: string;

  @ApiPropertyOptional({ default: false, description: 'The branch is begun in the sandbox' })
  @IfPresent()
  @IsBoolean({ message: 'Invalid isNewBranch value' })
  isNewBranch?: boolean;

  @ApiPropertyOptional({ enum: ['vercel'], default: 'vercel', description: "This server's own sandboxes" })
  @IfPresent()
  @IsIn(['vercel'], { message: 'Invalid sandbox type' })
  sandboxType?: string;

  static toNew(body?: ApiProvisionBody): NewSandbox {
    const { repoUrl, sessionId, branch, isNewBranch } = body ?? new ApiProvisionBody();
    if (repoUrl === undefined && sessionId === undefined)
      throw new DomainError('invalid_input', 'repoUrl is required', { field: 'repoUrl' });
    if (branch !== undefined && !isValidBranchName(branch))
      throw new DomainError('invalid_input', 'Invalid branch', { field: 'branch' });
    return {
      sessionId: sessionId === undefined ? null : known(sessionId),
      repoUrl: repoUrl ?? null,
      branch: branch ?? null,
      isNewBranch: isNewBranch ?? false,
    };
  }
}

export class ApiSandboxBody {
  @ApiProperty()
  @IsOptional()
  @IsString({ message: 'Missing sessionId' })
  sessionId?: string;

  static idOf(body?: ApiSandboxBody): string {
    return required(body?.sessionId);
  }
}

export class ApiResumeBody extends ApiSandboxBody {
  @ApiPropertyOptional({ description: 'Put this snapshot in the place of what the sandbox has' })
  @IfPresent()
  @IsString({ message: 'Invalid snapshotId' })
  snapshotId?: string;
}

export class ApiSandboxQuery {
  @ApiProperty()
  @IsOptional()
  @IsString({ message: 'Missing sessionId' })
  sessionId?: string;

  static idOf(query: ApiSandboxQuery): string {
    return required(query.sessionId);
  }
}

/** Null is no id either. */
function required(sessionId: string | null | undefined): string {
  if (!sessionId) throw new DomainError('invalid_input', 'Missing sessionId', { field: 'sessionId' });
  return known(sessionId);
}

/** What cannot be an id is that of no session. */
function known(sessionId: string): string {
  if (!isOpaqueId(sessionId)) throw sessionNotFound();
  return sessionId;
}

class ApiTiming {
  @ApiProperty({ description: 'How long it took until the sandbox was ready' }) readyMs!: number;
}

export class ApiProvisioned {
  @ApiProperty({ description: 'The session that the sandbox belongs to' }) sessionId!: string;
  @ApiProperty({ description: 'Of this answer, in milliseconds since the Unix epoch' }) createdAt!: number;
  @ApiProperty({ description: 'Milliseconds until it is stopped, unless it is extended' }) timeout!: number;
  @ApiProperty({ nullable: true, type: String }) currentBranch!: string | null;
  @ApiProperty({ enum: ['vercel'] }) mode!: 'vercel';
  @ApiProperty() timing!: ApiTiming;
  @ApiProperty() lifecycleVersion!: number;

  static from(session: CodingSession, readyMs: number, now: number): ApiProvisioned {
    return {
      sessionId: session.id,
      createdAt: now,
      timeout: Math.max(0, (session.expiresAt?.getTime() ?? now) - now),
      currentBranch: session.branch,
      mode: 'vercel',
      timing: { readyMs },
      lifecycleVersion: session.version,
    };
  }
}

class ApiLifecycle {
  @ApiProperty({ description: 'Milliseconds since the Unix epoch' }) serverTime!: number;
  @ApiProperty({ nullable: true, type: String }) state!: string | null;
  @ApiProperty(moment()) lastActivityAt!: number | null;
  @ApiProperty(moment()) hibernateAfter!: number | null;
  @ApiProperty(moment()) sandboxExpiresAt!: number | null;
  @ApiProperty({ nullable: true, type: String, description: 'Why the last step failed' }) error!: string | null;

  static from(session: CodingSession, now: number): ApiLifecycle {
    return {
      serverTime: now,
      state: session.state,
      lastActivityAt: toMs(session.lastActivityAt),
      hibernateAfter: toMs(session.hibernateAfter),
      sandboxExpiresAt: toMs(session.expiresAt),
      error: session.error,
    };
  }
}

/** Whether there is something to go on from although nothing runs. */
const hasSnapshot = (session: CodingSession): boolean =>
  session.snapshotUrl !== null || (session.state === 'hibernated' && 'sandboxName' in session.providerState);

export class ApiSandboxStatus {
  @ApiProperty({ enum: ['active', 'no_sandbox'] }) status!: 'active' | 'no_sandbox';
  @ApiProperty() hasSnapshot!: boolean;
  @ApiProperty() lifecycleVersion!: number;
  @ApiProperty() lifecycle!: ApiLifecycle;

  static from(session: CodingSession, now: number): ApiSandboxStatus {
    return {
      status: session.state === 'active' ? 'active' : 'no_sandbox',
      hasSnapshot: hasSnapshot(session),
      lifecycleVersion: session.version,
      lifecycle: ApiLifecycle.from(session, now),
    };
  }
}

export class ApiReconnected {
  @ApiProperty({ enum: ['connected', 'expired', 'no_sandbox'] }) status!: 'connected' | 'expired' | 'no_sandbox';
  @ApiProperty() hasSnapshot!: boolean;
  @ApiPropertyOptional({ description: 'Milliseconds since the Unix epoch' }) expiresAt?: number;
  @ApiProperty() lifecycle!: ApiLifecycle;

  static from(session: CodingSession, now: number): ApiReconnected {
    const { state, expiresAt, providerState } = session;
    const wasThere = 'sandboxName' in providerState;
    return {
      status: state === 'active' ? 'connected' : wasThere ? 'expired' : 'no_sandbox',
      hasSnapshot: hasSnapshot(session),
      ...(state === 'active' && expiresAt && { expiresAt: expiresAt.getTime() }),
      lifecycle: ApiLifecycle.from(session, now),
    };
  }
}

export class ApiStopped {
  @ApiProperty({ enum: [true] }) success!: true;
  @ApiPropertyOptional({ enum: [true] }) alreadyStopped?: true;
}

export class ApiExtended {
  @ApiProperty({ enum: [true] }) success!: true;
  @ApiProperty({ description: 'Milliseconds since the Unix epoch' }) expiresAt!: number;
  @ApiProperty({ enum: [EXTENSION_MS], description: 'Milliseconds' }) extendedBy!: number;
}

export class ApiActivity {
  @ApiProperty() success!: boolean;
  @ApiPropertyOptional({ enum: ['not-active'] }) reason?: 'not-active';
}

export class ApiPaused {
  @ApiProperty({ nullable: true, type: String }) snapshotId!: string | null;
  @ApiProperty({ description: 'Milliseconds since the Unix epoch' }) createdAt!: number;

  static from({ snapshotUrl, snapshotCreatedAt, updatedAt }: CodingSession): ApiPaused {
    return { snapshotId: snapshotUrl, createdAt: (snapshotCreatedAt ?? updatedAt).getTime() };
  }
}

export class ApiResumed {
  @ApiProperty({ enum: [true] }) success!: true;
  @ApiPropertyOptional({ enum: [true] }) alreadyRunning?: true;
  @ApiProperty({ description: 'The snapshot, or the sandbox that slept' }) restoredFrom!: string;
  @ApiProperty() sandboxId!: string;

  static of(sessionId: string, { restoredFrom, wasRunning }: Resumed): ApiResumed {
    const sandboxId = sandboxName(sessionId);
    return { success: true, ...(wasRunning && { alreadyRunning: true }), restoredFrom, sandboxId };
  }
}
