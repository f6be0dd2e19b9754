import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsBase64,
  IsBoolean,
  IsIn,
  IsInt,
  IsObject,
  IsOptional,
  IsString,
  Max,
  MaxLength,
  Min,
} from 'class-validator';
import { DomainError } from '#kernel';
import { AsSent, decodeKeyset, encodeKeyset, INSTANT_SHAPE } from '#platform';
import { EXECUTION_LOST, type ExecutionRecord, type NewExecution, statusOf } from '../executions/execution.js';
import type { ExecutionPosition } from '../executions/executions.repository.js';

const DEFAULT_OUTPUT_BYTES = 1_048_576;
const MAX_OUTPUT_BYTES = 16_777_216;
const MAX_STDIN_CHARACTERS = 1_048_576;
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]{0,254}$/;
const MAX_VARIABLES = 200;
const MAX_ENVIRONMENT_BYTES = 65_536;

const toSeconds = (date: Date): number => date.getTime() / 1_000;

export class AgentExecBody {
  @ApiProperty({ type: [String], example: ['sh', '-c', 'ls -l'], description: 'Program and arguments; no shell' })
  @ArrayMaxSize(10_000)
  @ArrayMinSize(1)
  @IsString({ each: true })
  @IsArray()
  argv!: string[];

  @ApiPropertyOptional({ type: 'object', additionalProperties: { type: 'string' } })
  @IsOptional()
  @IsObject()
  @AsSent()
  env?: Record<string, unknown>;

  @ApiPropertyOptional({ description: 'In the workspace, whose root it is unless given', default: '' })
  @IsOptional()
  @MaxLength(4_200)
  @IsString()
  cwd?: string;

  @ApiPropertyOptional({ description: 'Given to the command as UTF-8' })
  @IsOptional()
  @MaxLength(MAX_STDIN_CHARACTERS)
  @IsString()
  stdin?: string;

  @ApiPropertyOptional({ format: 'byte', description: 'The same in base64, for what is no text' })
  @IsOptional()
  @MaxLength(2 * MAX_STDIN_CHARACTERS)
  @IsBase64()
  @IsString()
  stdin_b64?: string;

  @ApiPropertyOptional({ description: 'More input follows; so for background commands unless told otherwise' })
  @IsOptional()
  @IsBoolean()
  keep_stdin_open?: boolean;

  @ApiPropertyOptional({ minimum: 1, description: 'Seconds; 300, for background commands as long as is allowed' })
  @IsOptional()
  @Max(604_800)
  @Min(1)
  @IsInt()
  timeout?: number;

  @ApiPropertyOptional({ minimum: 0, maximum: MAX_OUTPUT_BYTES, default: DEFAULT_OUTPUT_BYTES })
  @IsOptional()
  @Max(MAX_OUTPUT_BYTES)
  @Min(0)
  @IsInt()
  max_output_bytes?: number;

  @ApiPropertyOptional({ default: false, description: 'Answer its record at once, not its output' })
  @IsOptional()
  @IsBoolean()
  background?: boolean;

  static toNew(body: AgentExecBody, idempotencyKey: string | null): NewExecution {
    if (body.stdin !== undefined && body.stdin_b64 !== undefined) throw refused('stdin_b64', 'excludes stdin');
    if (body.argv.some((text) => text.includes('\0'))) throw refused('argv', 'must not contain NUL');
    const isBackground = body.background ?? false;
    return {
      argv: body.argv,
      env: toEnvironment(body.env ?? {}),
      cwd: body.cwd ?? '',
      stdin: Buffer.from(body.stdin ?? body.stdin_b64 ?? '', body.stdin_b64 === undefined ? 'utf8' : 'base64'),
      keepsInputOpen: body.keep_stdin_open ?? isBackground,
      isBackground,
      timeoutSeconds: body.timeout ?? null,
      outputBytes: body.max_output_bytes ?? DEFAULT_OUTPUT_BYTES,
      idempotencyKey,
    };
  }
}

export function toEnvironment(given: Record<string, unknown>): Record<string, string> {
  const entries = Object.entries(given);
  if (entries.length > MAX_VARIABLES) throw refused('env', `must have at most ${MAX_VARIABLES} variables`);
  let bytes = 0;
  for (const [name, value] of entries) {
    if (!VARIABLE.test(name)) throw refused('env', 'names variables of letters, digits and underscores');
    if (typeof value !== 'string' || value.includes('\0')) throw refused(`env.${name}`, 'must be a text without NUL');
    bytes += name.length + Buffer.byteLength(value) + 2;
  }
  if (bytes > MAX_ENVIRONMENT_BYTES) throw refused('env', `must have at most ${MAX_ENVIRONMENT_BYTES} bytes`);
  return Object.fromEntries(entries) as Record<string, string>;
}

const SIGNALS = [
  'SIGINT',
  'SIGTERM',
  'SIGKILL',
  'SIGHUP',
  'SIGQUIT',
  'SIGUSR1',
  'SIGUSR2',
  'SIGSTOP',
  'SIGCONT',
] as const;

export class AgentSignalBody {
  @ApiProperty({ enum: SIGNALS }) @IsIn(SIGNALS) signal!: NodeJS.Signals;
}

/** How a command ended. */
export class AgentExit {
  @ApiProperty({ type: Number, nullable: true, description: '128 + n after signal n; null when nobody knows' })
  code!: number | null;
  @ApiProperty({ type: String, nullable: true }) signal!: string | null;
  @ApiProperty() timed_out!: boolean;
  @ApiProperty() oom_killed!: boolean;
  @ApiProperty() too_many_processes!: boolean;
  @ApiProperty() disk_full!: boolean;
  @ApiProperty() cancelled!: boolean;
  @ApiProperty({ description: 'There was more output than asked for' }) truncated!: boolean;
  @ApiProperty({ type: Number, nullable: true }) duration_ms!: number | null;
  @ApiProperty({ type: String, nullable: true, description: 'Why it did not come to an end of its own' })
  error!: string | null;

  static from({ facts, error, isAbandoned }: ExecutionRecord): AgentExit {
    const known = facts ?? NOTHING_KNOWN;
    return {
      code: known.code,
      signal: known.signal,
      timed_out: known.timedOut,
      oom_killed: known.oomKilled,
      too_many_processes: known.tooManyProcesses,
      disk_full: known.diskFull,
      cancelled: known.cancelled,
      truncated: known.truncated,
      duration_ms: known.durationMs,
      error: error ?? (isAbandoned ? EXECUTION_LOST : null),
    };
  }
}

const NOTHING_KNOWN = {
  code: null,
  signal: null,
  timedOut: false,
  oomKilled: false,
  tooManyProcesses: false,
  diskFull: false,
  cancelled: false,
  truncated: false,
  durationMs: null,
};

export class AgentExecution {
  @ApiProperty({ pattern: '^exec_[0-9a-f]{24}$' }) id!: string;
  @ApiProperty() session_id!: string;
  @ApiProperty({ type: [String], description: 'Long ones are shortened' }) argv!: string[];
  @ApiProperty({ description: 'In the workspace' }) cwd!: string;
  @ApiProperty() background!: boolean;
  @ApiProperty({ enum: ['running', 'exited', 'failed', 'lost'] }) status!: string;
  @ApiProperty({ description: 'Seconds' }) timeout!: number;
  @ApiProperty({ description: 'Seconds since the epoch' }) started_at!: number;
  @ApiProperty({ type: Number, nullable: true }) ended_at!: number | null;
  @ApiProperty({ type: AgentExit, nullable: true, description: 'Null while it runs' }) exit!: AgentExit | null;

  static from(record: ExecutionRecord): AgentExecution {
    const status = statusOf(record);
    return {
      id: record.id,
      session_id: record.sandboxId,
      argv: [...record.argv],
      cwd: record.cwd,
      background: record.isBackground,
      status,
      timeout: record.timeoutSeconds,
      started_at: toSeconds(record.startedAt),
      ended_at: record.endedAt && toSeconds(record.endedAt),
      exit: status === 'running' ? null : AgentExit.from(record),
    };
  }
}

/** A command that has ended, with what it printed. */
export class AgentExecuted extends AgentExecution {
  @ApiProperty({ description: 'As UTF-8; what is none is replaced' }) stdout!: string;
  @ApiProperty({ description: 'As UTF-8; what is none is replaced' }) stderr!: string;
  @ApiPropertyOptional({ format: 'byte', description: 'Beside stdout when that is not UTF-8' }) stdout_b64?: string;
  @ApiPropertyOptional({ format: 'byte', description: 'Beside stderr when that is not UTF-8' }) stderr_b64?: string;
}

export class AgentExecutionCancel {
  @ApiProperty({ enum: ['cancelling', 'already_complete'] }) status!: string;
}

const POSITION = [INSTANT_SHAPE, /^exec_[0-9a-f]{24}$/];

export class AgentExecutionListQuery {
  @ApiPropertyOptional({ minimum: 1, maximum: 100, default: 100 })
  @IsOptional()
  @Max(100)
  @Min(1)
  @IsInt()
  @Transform(({ value }: { value: unknown }) => (typeof value === 'string' && value !== '' ? Number(value) : value))
  limit?: number;

  @ApiPropertyOptional({ description: '`X-Next-After` of the page before' })
  @IsOptional()
  @MaxLength(200)
  @IsString()
  after?: string;

  static toPage({ limit, after }: AgentExecutionListQuery): { limit: number; after: ExecutionPosition | null } {
    const [startedAt = '', id = ''] = after ? decodeKeyset(after, POSITION) : [];
    return { limit: limit ?? 100, after: after ? { startedAt, id } : null };
  }

  static positionOf(record: ExecutionRecord): string {
    return encodeKeyset([record.startedAt.toISOString(), record.id]);
  }
}

/** The header, or the query parameter in its place; 0 for none. Errors: `invalid_input`. */
export function lastEventSeen(header: string | string[] | undefined, query: unknown): number {
  const given = header ?? query;
  if (given === undefined || given === '') return 0;
  if (typeof given === 'string' && /^\d{1,9}$/.test(given)) return Number(given);
  throw refused(header === undefined ? 'last_event_id' : 'Last-Event-ID', 'must be the number of an event');
}

function refused(field: string, rule: string): DomainError {
  return new DomainError('invalid_input', `${field} ${rule}`, { field });
}
