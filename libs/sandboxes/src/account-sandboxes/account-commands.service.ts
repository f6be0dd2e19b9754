import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import type { Principal } from '#platform';
import { checkoutOf, codingScope } from '../coding-sessions/checkout.js';
import type { CodingSession } from '../coding-sessions/coding-session.js';
import {
  type ExecutionEvent,
  executionNotFound,
  type ExecutionRecord,
  isExecutionId,
} from '../executions/execution.js';
import { ExecutionStarts } from '../executions/execution-starts.js';
import { ExecutionsRepository } from '../executions/executions.repository.js';
import { ExecutionsService } from '../executions/executions.service.js';
import { WorkspaceFiles } from '../workspace/workspace-files.js';
import type { SandboxLine } from './account-sandbox.js';

const OUTPUT_BYTES = 1_048_576;

/** Commands in the account's own sandboxes: executions like those of agent sessions. */
@Injectable()
export class AccountCommandsService {
  constructor(
    private readonly files: WorkspaceFiles,
    private readonly starts: ExecutionStarts,
    private readonly executions: ExecutionsService,
    private readonly repository: ExecutionsRepository,
  ) {}

  /**
   * In a sandbox that is up; it goes on whoever listens. With the key of one that was started before, answers that one.
   * Errors: `invalid_input` for a working directory that is none; those of `ExecutionStarts.start`.
   */
  async start(
    caller: Principal,
    session: CodingSession,
    line: SandboxLine,
    key: string | null,
  ): Promise<ExecutionRecord> {
    const scope = codingScope(session.id);
    const cwd = [...checkoutOf(scope), ...line.cwd.split('/').filter((name) => name !== '' && name !== '.')];
    await this.files.assertDirectory({ caller, accountId: session.accountId, scope }, cwd.join('/')).catch(notThere);
    const { argv, env, timeoutSeconds, isBackground } = line;
    const own = { stdin: Buffer.alloc(0), keepsInputOpen: false, outputBytes: OUTPUT_BYTES, idempotencyKey: key };
    const asked = { argv, env, cwd: line.cwd, timeoutSeconds, isBackground, ...own };
    return (await this.starts.start(caller, session, cwd, asked)).record;
  }

  /** Everything that it printed and prints, and how it ended. Ends early with the signal. */
  follow(record: ExecutionRecord, signal: AbortSignal): AsyncIterable<ExecutionEvent> {
    return this.executions.follow(record, 0, signal);
  }

  /** Of whichever sandbox of the account. Errors: `not_found`. */
  async get({ accountId }: Principal, id: string): Promise<ExecutionRecord> {
    const record = isExecutionId(id) ? await this.repository.findOfAccount(accountId, id) : null;
    if (!record) throw executionNotFound();
    return record;
  }
}

function notThere(error: unknown): never {
  const isAbsent = error instanceof DomainError && ['forbidden', 'not_found', 'conflict'].includes(error.code);
  throw isAbsent ? new DomainError('invalid_input', 'cwd is no directory of the sandbox', { field: 'cwd' }) : error;
}
