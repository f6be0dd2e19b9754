import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GitStore } from './git-store.js';
import { StorePool } from './store-pool.js';
import { scratchFolder } from './testing/git.js';

const scratch = scratchFolder('store-pool');
const dir = join(scratch.path, 'pool.git');
const UNKNOWN = '12'.repeat(20);

beforeAll(async () => {
  const pool = new StorePool({ workers: 2 });
  await new GitStore(pool).init(dir);
  await pool.close();
});
afterAll(() => scratch.remove());

/** A worker that answers every call with null, and dies of `log`. */
const MORTAL_WORKER = `
import { parentPort } from 'node:worker_threads';
parentPort.on('message', ({ id, operation }) => {
  if (operation === 'log') process.exit(3);
  else setTimeout(() => parentPort.postMessage({ id, value: null }), 20);
});
`;

describe('the pool of store workers', () => {
  it('carries domain errors across with code and message', async () => {
    const pool = new StorePool({ workers: 2 });
    const call = pool.call('changedPaths', dir, { oldCommit: UNKNOWN, newCommit: UNKNOWN, paths: [] });
    await expect(call).rejects.toMatchObject({ name: 'DomainError', code: 'not_found' });
    await pool.close();
  });

  it('answers internal for a bug and reports its stack, without losing the worker', async () => {
    const crashes: string[] = [];
    const pool = new StorePool({ workers: 2, onCrash: (operation, stack) => crashes.push(`${operation} ${stack}`) });
    const broken = pool.call('resolvePrefix', dir, null as never);
    await expect(broken).rejects.toMatchObject({ code: 'internal', message: 'Internal server error' });
    expect(crashes).toHaveLength(1);
    expect(crashes[0]).toMatch(/^resolvePrefix TypeError.*\n +at /);
    expect(await pool.call('objectInfo', dir, { oid: UNKNOWN })).toBeNull();
    await pool.close();
  });

  it('fails the calls of a worker that dies as unavailable and starts another for the next', async () => {
    const entry = join(scratch.path, 'mortal-worker.mjs');
    writeFileSync(entry, MORTAL_WORKER);
    const crashes: string[] = [];
    const pool = new StorePool({ workers: 2, entry, onCrash: (_, reason) => crashes.push(reason) });
    const before = pool.call('initRepository', dir, { defaultBranch: 'main' });
    // Accessors of one repository alternate between two workers, so that two of these reach both.
    const fatal = [1, 2].map(() => pool.call('log', dir, { start: UNKNOWN, limit: 1, skipStart: false }));
    const outcomes = await Promise.allSettled([before, ...fatal]);
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'unavailable' } });
    }
    expect(crashes).toEqual(['store worker exited with code 3', 'store worker exited with code 3']);
    expect(await pool.call('initRepository', dir, { defaultBranch: 'main' })).toBeNull();
    expect(await pool.call('objectInfo', dir, { oid: UNKNOWN })).toBeNull();
    await pool.close();
  });

  it('finishes running calls before closing and refuses new ones', async () => {
    const pool = new StorePool({ workers: 2 });
    const calls = Array.from({ length: 20 }, () => pool.call('objectInfo', dir, { oid: UNKNOWN }));
    const closing = pool.close();
    await expect(pool.call('objectInfo', dir, { oid: UNKNOWN })).rejects.toMatchObject({ code: 'unavailable' });
    expect(await Promise.all(calls)).toEqual(calls.map(() => null));
    await closing;
  });
});
