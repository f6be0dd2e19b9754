import type { Principal } from '#platform';
import {
  appliedTtlSeconds,
  covers,
  expiryOf,
  hasSessionPrefix,
  isSessionId,
  isUsable,
  newSessionId,
  type PinnedSession,
  writeBehindMs,
} from './pinned-session.js';

function principal(changes: Partial<Principal> = {}): Principal {
  return {
    kind: 'user_key',
    keyId: 'key',
    userId: 'user',
    accountId: 'account',
    accountSlug: 'slug',
    keyName: null,
    orgId: null,
    projectIds: null,
    tier: 'free',
    scopes: new Set(['*']),
    isAdmin: false,
    pinnedSessionId: null,
    ...changes,
  };
}

function session(changes: Partial<PinnedSession> = {}): PinnedSession {
  return {
    id: 'id',
    principal: principal(),
    keyDigest: Buffer.alloc(32),
    currentKeyId: 'key-1',
    keyExpiresAt: null,
    ttlMs: 1_000,
    idleExtend: true,
    createdAt: 0,
    lastActivityAt: 500,
    savedAt: 0,
    endReason: null,
    ...changes,
  };
}

describe('the id of a pinned session', () => {
  it('is ses_ and 21 URL-safe characters', () => {
    expect(newSessionId()).toMatch(/^ses_[A-Za-z0-9_-]{21}$/);
    expect(isSessionId(newSessionId())).toBe(true);
    expect(newSessionId()).not.toBe(newSessionId());
  });

  it.each(['ses_', 'ses_short', `ses_${'x'.repeat(22)}`, `ses_${'x'.repeat(20)}!`])(
    'has the prefix but not the form in %s',
    (id) => {
      expect(hasSessionPrefix(id)).toBe(true);
      expect(isSessionId(id)).toBe(false);
    },
  );
});

describe('the lifetime of a pinned session', () => {
  it.each([
    [undefined, 1800],
    [null, 1800],
    ['3600', 1800],
    [true, 1800],
    [0, 1800],
    [-1, 1800],
    [0.5, 1],
    [1.9, 1],
    [3600, 3600],
    [7200, 3600],
    [Infinity, 3600],
  ])('is, asked for %p, %p seconds', (requested, applied) => {
    expect(appliedTtlSeconds(requested, 3600)).toBe(applied);
  });

  it('counts from the last use, or from the opening when it is fixed', () => {
    expect(expiryOf(session())).toBe(1_500);
    expect(expiryOf(session({ idleExtend: false }))).toBe(1_000);
  });

  it('includes its last millisecond', () => {
    expect(isUsable(session(), 1_500)).toBe(true);
    expect(isUsable(session(), 1_501)).toBe(false);
  });

  it('ends with its key and with its tombstone', () => {
    expect(isUsable(session({ keyExpiresAt: 700 }), 699)).toBe(true);
    expect(isUsable(session({ keyExpiresAt: 700 }), 700)).toBe(false);
    expect(isUsable(session({ endReason: 'closed' }), 600)).toBe(false);
  });

  it('is written behind after a tenth of it, thirty seconds at most', () => {
    expect(writeBehindMs(5_000)).toBe(500);
    expect(writeBehindMs(3_600_000)).toBe(30_000);
  });
});

describe('another key next to a pinned session', () => {
  const reader = new Set(['repos:read']);

  it('covers it when it may do at least as much', () => {
    expect(covers(principal(), principal())).toBe(true);
    expect(covers(principal(), principal({ scopes: reader }))).toBe(true);
    expect(covers(principal({ scopes: new Set(['repos:read', 'repos:write']) }), principal({ scopes: reader }))).toBe(
      true,
    );
  });

  it('does not cover what it may not do itself', () => {
    expect(covers(principal({ scopes: reader }), principal())).toBe(false);
    expect(covers(principal({ kind: 'service_key' }), principal())).toBe(false);
    expect(covers(principal({ userId: 'other' }), principal())).toBe(false);
    expect(covers(principal({ accountId: 'other' }), principal())).toBe(false);
  });
});
