import { setTimeout as delay } from 'node:timers/promises';
import type { CommitRequest } from './commit-request.js';
import { DEFAULT_AUTHOR } from './commit-request.js';
import { HeldRequests } from './held-requests.js';

const LIMITS = { maxFileBytes: 1 };
const request: CommitRequest = {
  branch: 'b',
  message: 'm',
  author: DEFAULT_AUTHOR,
  parentSha: null,
  changes: [],
  lazyEdits: 0,
};

describe('requests held in a worker', () => {
  it('are found by their handle and repository until discarded', () => {
    const held = new HeldRequests();
    const handle = held.add('/repo', request, LIMITS, 1);
    expect(held.add('/repo', request, LIMITS, 1)).not.toBe(handle);
    expect(held.find('/repo', handle)).toMatchObject({ request, limits: LIMITS });
    expect(held.find('/other', handle)).toBeNull();
    held.discard('/other', handle);
    expect(held.find('/repo', handle)).not.toBeNull();
    held.discard('/repo', handle);
    held.discard('/repo', handle);
    expect(held.find('/repo', handle)).toBeNull();
  });

  it('are dropped after their lifetime', async () => {
    const held = new HeldRequests(20);
    const handle = held.add('/repo', request, LIMITS, 1);
    for (let waited = 0; held.find('/repo', handle) !== null && waited < 5000; waited += 10) await delay(10);
    expect(held.find('/repo', handle)).toBeNull();
  });

  it('are refused when there is no room, but one always fits', () => {
    const held = new HeldRequests(60_000, 10);
    held.assertRoom(11);
    const handle = held.add('/repo', request, LIMITS, 8);
    held.assertRoom(2);
    expect(() => held.assertRoom(3)).toThrow('Too many commits are waiting. Retry.');
    held.discard('/repo', handle);
    held.assertRoom(3);
  });
});
