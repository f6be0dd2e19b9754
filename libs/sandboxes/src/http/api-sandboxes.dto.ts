import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsInt,
  IsObject,
  IsOptional,
  IsString,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateIf,
} from 'class-validator';
import { DomainError } from '#kernel';
import { AsSent, decodeKeyset, encodeKeyset, INSTANT_SHAPE, type Principal } from '#platform';
import type { AccountHomeView } from '../account-sandboxes/account-homes.service.js';
import type { AccountSandboxPage, AccountSandboxQuery } from '../account-sandboxes/account-sandbox-list.service.js';
import type { ListedAccountSandbox, SandboxLine } from '../account-sandboxes/account-sandbox.js';
import type { MadeSandbox, SandboxPrompt } from '../account-sandboxes/account-sandboxes.service.js';
import type { SandboxState } from '../sandbox.js';
import { toCheckoutPath } from '../workbench/checkout-files.service.js';
import { AgentExecuted, AgentExecution, toEnvironment } from './agent-executions.dto.js';
import { asMessage, text } from './api-chat-runs.dto.js';

const MAX_PROMPT = 200_000;
const MAX_MODEL = 200;
const MAX_COMMAND = 100_000;
const MAX_ARGUMENTS = 1_000;

const IfPresent = (): PropertyDecorator => ValidateIf((_body: object, value: unknown) => value !== undefined);
const nullable = (): object => ({ nullable: true, type: String });
const refused = (field: string, message: string): DomainError => new DomainError('invalid_input', message, { field });

/** Of every answer here: clients look at it as well as at the status code. */
export class ApiSucceeded {
  @ApiProperty({ enum: ['success'] }) status!: 'success';
}

export class ApiOwnAccount {
  @ApiPropertyOptional({ description: "The caller's own account is the only one there is" })
  @IfPresent()
  @IsString({ message: 'account_id must be a string' })
  account_id?: string;

  /** Errors: `forbidden` for an account the caller does not act for. */
  static assert(given: ApiOwnAccount | undefined, { accountId }: Principal): void {
    if (given?.account_id === undefined || given.account_id.toLowerCase() === accountId) return;
    throw new DomainError('forbidden', 'Access denied to specified account_id');
  }
}

export class ApiCreateSandboxBody extends ApiOwnAccount {
  @ApiPropertyOptional({ minLength: 1, maxLength: MAX_PROMPT, description: 'For its agent, which answers in a chat' })
  @IfPresent()
  @IsString({ message: 'prompt must be a string' })
  prompt?: string;

  @ApiPropertyOptional({ maxLength: MAX_MODEL, description: 'Of the answer to the prompt' })
  @IfPresent()
  @IsString({ message: 'model must be a string' })
  model?: string;

  @ApiPropertyOptional({ maxLength: MAX_COMMAND, description: 'A line for the shell, or with `args` a program' })
  @IfPresent()
  @IsString({ message: 'command must be a string' })
  command?: string;

  @ApiPropertyOptional({ type: [String], maxItems: MAX_ARGUMENTS })
  @IfPresent()
  @ArrayMaxSize(MAX_ARGUMENTS, { message: `args must have at most ${MAX_ARGUMENTS} texts` })
  @IsString({ each: true, message: 'args must be a list of strings' })
  @IsArray({ message: 'args must be a list of strings' })
  args?: string[];

  @ApiPropertyOptional({ description: 'Of the command, below the checkout; the checkout itself when left out' })
  @IfPresent()
  @IsString({ message: 'cwd must be a string' })
  cwd?: string;

  @ApiPropertyOptional({ type: 'object', additionalProperties: { type: 'string' } })
  @IfPresent()
  @IsObject({ message: 'env must be an object' })
  @AsSent()
  env?: Record<string, unknown>;

  @ApiPropertyOptional({ minimum: 1_000, description: 'Of the command; milliseconds, five minutes when left out' })
  @IfPresent()
  @Max(604_800_000)
  @Min(1_000)
  @IsInt()
  timeoutMs?: number;

  @ApiPropertyOptional({ default: false, description: 'Answer while the command runs' })
  @IfPresent()
  @IsBoolean({ message: 'background must be a boolean' })
  background?: boolean;

  static toPrompt(body?: ApiCreateSandboxBody): SandboxPrompt | null {
    const { prompt, model, command } = body ?? {};
    if (prompt === undefined) {
      if (model !== undefined) throw refused('model', 'model is for a prompt, and there is none');
      return null;
    }
    if (command !== undefined)
      throw refused('command', 'A sandbox is made for a prompt or for a command, not for both');
    return { messages: [asMessage(prompt)], model: model === undefined ? null : text(model, 'model', MAX_MODEL) };
  }

  static toLine(body?: ApiCreateSandboxBody): SandboxLine | null {
    const { command, args, cwd, env, timeoutMs, background } = body ?? {};
    if (command === undefined) {
      const stray = Object.entries({ args, cwd, env, timeoutMs, background }).find(([, value]) => value !== undefined);
      if (stray) throw refused(stray[0], `${stray[0]} is for a command, and there is none`);
      return null;
    }
    if (command.trim() === '' || command.length > MAX_COMMAND || [command, ...(args ?? [])].join('').includes('\0'))
      throw refused('command', `command must be a text of 1 to ${MAX_COMMAND} characters without NUL`);
    return {
      argv: args === undefined ? ['/bin/sh', '-c', command] : [command, ...args],
      cwd: cwd === undefined || cwd === '' ? '' : toCheckoutPath(cwd, 'cwd'),
      env: toEnvironment(env ?? {}),
      timeoutSeconds: timeoutMs === undefined ? null : Math.ceil(timeoutMs / 1_000),
      isBackground: background ?? false,
    };
  }
}

const STATUS: Readonly<Record<SandboxState, string>> = {
  provisioning: 'pending',
  restoring: 'pending',
  active: 'running',
  hibernating: 'stopping',
  hibernated: 'stopped',
  archived: 'stopped',
  failed: 'failed',
  destroying: 'stopped',
};

/** sandbox-sessions.md §A12.3. */
export class ApiAccountSandbox {
  @ApiProperty({ description: 'Also the id of its session' }) sandboxId!: string;
  @ApiProperty({ enum: ['pending', 'running', 'stopping', 'stopped', 'failed'] }) sandboxStatus!: string;
  @ApiProperty({ description: 'Milliseconds until it is stopped, unless it is extended; 0 for one that does not run' })
  timeout!: number;
  @ApiProperty({ description: 'Milliseconds since the Unix epoch' }) createdAt!: number;

  static from({ id, state, createdAt, expiresAt }: ListedAccountSandbox, now: number): ApiAccountSandbox {
    return {
      sandboxId: id,
      sandboxStatus: state === null ? 'stopped' : STATUS[state],
      timeout: state === 'active' ? Math.max(0, (expiresAt?.getTime() ?? now) - now) : 0,
      createdAt: createdAt.getTime(),
    };
  }
}

const LISTED = 100;
const POSITION = [INSTANT_SHAPE, /^[A-Za-z0-9_-]{1,100}$/];

export class ApiSandboxesQuery extends ApiOwnAccount {
  @ApiPropertyOptional({ type: Number, minimum: 1, maximum: LISTED, default: LISTED })
  @IsOptional()
  @Transform(({ value }: { value: unknown }) =>
    typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value,
  )
  @Max(LISTED)
  @Min(1)
  @IsInt({ message: 'limit must be an integer' })
  limit?: number;

  @ApiPropertyOptional({ description: '`nextCursor` of the page before' })
  @IsOptional()
  @Matches(/^[A-Za-z0-9_-]{1,400}$/, { message: 'Invalid cursor' })
  cursor?: string;

  @ApiPropertyOptional({ enum: ['true', 'false'], default: 'true', description: 'Whether `filetree` is wanted' })
  @IsOptional()
  @Matches(/^(true|false)$/, { message: 'filetree must be true or false' })
  filetree?: string;

  static toPage({ limit, cursor, filetree }: ApiSandboxesQuery): AccountSandboxQuery {
    const [createdAt = '', id = ''] = cursor ? decodeKeyset(cursor, POSITION) : [];
    return { limit: limit ?? LISTED, after: cursor ? { createdAt, id } : null, wantsTree: filetree !== 'false' };
  }
}

export class ApiTreeEntry {
  @ApiProperty({ description: 'In the checkout' }) path!: string;
  @ApiProperty({ enum: ['blob', 'tree', 'link'] }) type!: string;
  @ApiPropertyOptional({ description: 'Bytes of a file' }) size?: number;
}

const KINDS = { file: 'blob', directory: 'tree', link: 'link' } as const;

class ApiAccountHome extends ApiSucceeded {
  @ApiProperty({ ...nullable(), description: 'What new sandboxes begin with' }) snapshot_id!: string | null;
  @ApiProperty({ ...nullable(), description: "Clone URL of the account's repository" }) github_repo!: string | null;
}

export class ApiSandboxList extends ApiAccountHome {
  @ApiProperty({ type: [ApiAccountSandbox], description: 'Newest first' }) sandboxes!: ApiAccountSandbox[];
  @ApiProperty({
    type: [ApiTreeEntry],
    nullable: true,
    description: 'Of the newest sandbox that is not archived; null without one',
  })
  filetree!: ApiTreeEntry[] | null;
  @ApiPropertyOptional({ enum: [true], description: 'The list of files is not whole' }) filetree_truncated?: true;
  @ApiProperty({ ...nullable(), description: 'Position after this page, for `cursor`' }) nextCursor!: string | null;

  static from({ home, sandboxes, hasMore, tree }: AccountSandboxPage, now: number): ApiSandboxList {
    const last = hasMore ? sandboxes.at(-1) : undefined;
    return {
      status: 'success',
      sandboxes: sandboxes.map((sandbox) => ApiAccountSandbox.from(sandbox, now)),
      snapshot_id: home.snapshotId,
      github_repo: home.repoUrl,
      filetree:
        tree &&
        tree.entries.map(({ path, type, size }) => ({ path, type: KINDS[type], ...(size !== null && { size }) })),
      ...(tree?.isCut && { filetree_truncated: true }),
      nextCursor: last ? encodeKeyset([last.createdAt.toISOString(), last.id]) : null,
    };
  }
}

export class ApiSandboxExecution {
  @ApiProperty({ pattern: '^exec_[0-9a-f]{24}$' }) executionId!: string;
  @ApiProperty() sandboxId!: string;
  @ApiProperty({ enum: ['running', 'exited', 'failed', 'lost'] }) state!: string;
  @ApiProperty({ description: 'It ended with exit code 0' }) success!: boolean;
  @ApiProperty({ type: Number, nullable: true }) exitCode!: number | null;
  @ApiProperty(nullable()) signal!: string | null;
  @ApiProperty() timedOut!: boolean;
  @ApiProperty({ description: 'There was more output than 1 MiB' }) truncated!: boolean;
  @ApiProperty({ ...nullable(), description: 'Why it did not come to an end of its own' }) error!: string | null;
  @ApiProperty({ type: Number, nullable: true }) durationMs!: number | null;
  @ApiProperty({ ...nullable(), description: 'Null while it runs' }) stdout!: string | null;
  @ApiProperty({ ...nullable(), description: 'Null while it runs' }) stderr!: string | null;

  static from(execution: AgentExecution | AgentExecuted): ApiSandboxExecution {
    const { id, session_id, status } = execution;
    const exit = execution.exit ?? STILL_RUNNING;
    return {
      executionId: id,
      sandboxId: session_id,
      state: status,
      success: exit.code === 0,
      exitCode: exit.code,
      signal: exit.signal,
      timedOut: exit.timed_out,
      truncated: exit.truncated,
      error: exit.error,
      durationMs: exit.duration_ms,
      stdout: 'stdout' in execution ? execution.stdout : null,
      stderr: 'stderr' in execution ? execution.stderr : null,
    };
  }
}

const STILL_RUNNING = { code: null, signal: null, timed_out: false, truncated: false, error: null, duration_ms: null };

export class ApiOneExecution extends ApiSucceeded {
  @ApiProperty({ type: ApiSandboxExecution }) execution!: ApiSandboxExecution;
}

export class ApiMadeSandbox extends ApiSucceeded {
  @ApiProperty({ type: [ApiAccountSandbox], description: 'The one that was made' }) sandboxes!: ApiAccountSandbox[];
  @ApiPropertyOptional({ description: 'Of the answer to the prompt: /api/chat/runs/{runId}' }) runId?: string;
  @ApiPropertyOptional() chatId?: string;
  @ApiPropertyOptional() sessionId?: string;
  @ApiPropertyOptional({ type: ApiSandboxExecution, description: 'Of the command' }) execution?: ApiSandboxExecution;

  static from({ session, run }: MadeSandbox, execution: ApiSandboxExecution | null, now: number): ApiMadeSandbox {
    return {
      status: 'success',
      sandboxes: [ApiAccountSandbox.from(session, now)],
      ...run,
      ...(execution && { execution }),
    };
  }
}

export class ApiSetSnapshotBody extends ApiOwnAccount {
  @ApiPropertyOptional({ ...nullable(), maxLength: 200, description: 'Of a sandbox of the account; null for none' })
  @IsOptional()
  @MaxLength(200)
  @IsString({ message: 'snapshotId must be a string' })
  snapshotId?: string | null;

  @ApiPropertyOptional({ ...nullable(), maxLength: 200, description: 'The same' })
  @IsOptional()
  @MaxLength(200)
  @IsString({ message: 'snapshot_id must be a string' })
  snapshot_id?: string | null;

  static toId(body?: ApiSetSnapshotBody): string | null {
    const { snapshotId, snapshot_id: other } = body ?? {};
    const id = snapshotId === undefined ? other : snapshotId;
    if (id === undefined) throw refused('snapshotId', 'snapshotId is required');
    if (id?.includes('\0')) throw refused('snapshotId', 'snapshotId must not contain NUL');
    return id;
  }
}

export class ApiHomeSet extends ApiAccountHome {
  static from({ snapshotId, repoUrl }: AccountHomeView): ApiHomeSet {
    return { status: 'success', snapshot_id: snapshotId, github_repo: repoUrl };
  }
}

export class ApiHomeDropped extends ApiSucceeded {
  @ApiProperty({ ...nullable(), description: 'The snapshot that was dropped' }) deleted_snapshot_id!: string | null;
  @ApiProperty({ ...nullable(), description: 'The repository that was deleted' }) deleted_github_repo!: string | null;

  static from({ snapshotId, repoUrl }: AccountHomeView): ApiHomeDropped {
    return { status: 'success', deleted_snapshot_id: snapshotId, deleted_github_repo: repoUrl };
  }
}

export class ApiSetUp extends ApiHomeSet {
  @ApiProperty({ type: [ApiAccountSandbox], description: 'The current one' }) sandboxes!: ApiAccountSandbox[];
}
