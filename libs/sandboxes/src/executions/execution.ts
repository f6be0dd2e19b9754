import { randomBytes } from 'node:crypto';
import { DomainError } from '#kernel';
import type { ExitFacts, OutputStream } from '../provider/sandbox-provider.js';

/** A command that runs or ran in a sandbox, as it is stored. */
export interface ExecutionRecord {
  readonly id: string;
  readonly sandboxId: string;
  /** Shortened: enough to know it by. */
  readonly argv: readonly string[];
  /** Workspace-relative. */
  readonly cwd: string;
  readonly isBackground: boolean;
  readonly timeoutSeconds: number;
  /** How it ended; null while it runs and when nobody knows. */
  readonly facts: ExitFacts | null;
  /** Why it did not run to an end of its own: a code. */
  readonly error: string | null;
  readonly outputBytes: number;
  readonly startedAt: Date;
  readonly endedAt: Date | null;
  /** It has not ended, but the process it ran in has. */
  readonly isAbandoned: boolean;
}

export interface NewExecution {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** As the file API takes paths, or absolute inside the sandbox's workspace. */
  readonly cwd: string;
  readonly stdin: Buffer;
  /** More input may come. */
  readonly keepsInputOpen: boolean;
  readonly isBackground: boolean;
  readonly timeoutSeconds: number | null;
  readonly outputBytes: number;
  readonly idempotencyKey: string | null;
}

/** What followers are told: output in order, then how it ended, once. Numbered from 1 without gaps. */
export type ExecutionEvent =
  | { readonly seq: number; readonly type: OutputStream; readonly data: Buffer }
  | { readonly seq: number; readonly type: 'exit'; readonly record: ExecutionRecord };

export type ExecutionStatus = 'running' | 'exited' | 'failed' | 'lost';

/** `failed`: it could not be started. `lost`: it was, and the process it ran in is gone. */
export function statusOf({ facts, error, endedAt, isAbandoned }: ExecutionRecord): ExecutionStatus {
  if (facts) return 'exited';
  if (error === EXECUTION_LOST || isAbandoned) return 'lost';
  return endedAt ? 'failed' : 'running';
}

/** As `unavailable` has it where a command is lost while somebody waits for it. */
export const EXECUTION_LOST = 'execution_lost';

const ID = /^exec_[0-9a-f]{24}$/;

export function newExecutionId(): string {
  return `exec_${randomBytes(12).toString('hex')}`;
}

export function isExecutionId(text: string): boolean {
  return ID.test(text);
}

export function executionNotFound(): DomainError {
  return new DomainError('not_found', 'Execution not found');
}

/** Of a command that takes no more input or signals. */
export function notRunning(): DomainError {
  return new DomainError('conflict', 'The command has ended', { reason: 'execution_ended' });
}

const MAX_ARGUMENTS = 50;
const MAX_CHARACTERS = 500;

/** What is kept of a command line. */
export function shortened(argv: readonly string[]): string[] {
  const cut = (text: string): string =>
    (text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS)}…` : text).toWellFormed();
  return [...argv.slice(0, MAX_ARGUMENTS).map(cut), ...(argv.length > MAX_ARGUMENTS ? ['…'] : [])];
}
