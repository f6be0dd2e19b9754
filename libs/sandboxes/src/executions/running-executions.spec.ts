import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SystemClock } from '#kernel';
import type { AppConfig } from '#platform';
import type { Execution } from '../provider/sandbox-provider.js';
import { ExecutionLogs } from './execution-logs.js';
import type { ExecutionsRepository } from './executions.repository.js';
import { RunningExecutions } from './running-executions.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'executions-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

describe('a command', () => {
  it('of which nobody can write down what it prints is ended', async () => {
    writeFileSync(join(folder, 'executions'), 'in the way');
    const logs = new ExecutionLogs({ DATA_DIR: folder } as AppConfig);
    const running = new RunningExecutions({} as ExecutionsRepository, logs, new SystemClock());
    const ended = Promise.withResolvers<void>();
    const execution = { cancel: () => ended.resolve() } as Execution;
    const owner = { id: 'exec_1', sandboxId: 'sess_1' };
    await expect(running.launch(owner, Promise.resolve(execution), () => undefined)).rejects.toThrow();
    await ended.promise;
    expect(running.countIn('sess_1')).toBe(0);
  });
});
