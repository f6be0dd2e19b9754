import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { ssoRequired } from '#accounts';
import { Clock, DomainError } from '#kernel';
import { missingOrganisation, type Principal, type Revocation, Revocations } from '#platform';
import { isWellFormedKey } from './key-format.js';
import { isRevoked, type KeyWithOwner, principalOfKey } from './key.js';
import { LateKeyUses } from './late-key-uses.js';
import { KeysRepository } from './keys.repository.js';
import { Pepper } from './pepper.js';

interface Verified {
  readonly principal: Principal;
  readonly key: KeyWithOwner;
}

const MAX_CACHED = 10_000;

/** Raw keys to principals: malformed ones die here, verified ones are cached until revoked, expired or stale. */
@Injectable()
export class Principals {
  private readonly cache = new LRUCache<string, Verified>({ max: MAX_CACHED, ttl: 300_000 });

  constructor(
    private readonly keys: KeysRepository,
    private readonly pepper: Pepper,
    private readonly revocations: Revocations,
    private readonly lateUses: LateKeyUses,
    private readonly clock: Clock,
  ) {
    revocations.onRevocation((revocation) => this.forget(revocation));
  }

  /** @throws DomainError `unauthorized` (unknown, revoked, expired), `forbidden` (deactivated owner). */
  async verify(raw: string): Promise<Principal> {
    if (!isWellFormedKey(raw)) throw invalidKey();
    const digest = this.pepper.digest(raw);
    const cacheKey = digest.toString('base64');
    const cached = this.revocations.isFresh ? this.cache.get(cacheKey) : undefined;
    if (cached && !isRevoked(cached.key, this.clock.now())) {
      this.assertUnexpired(cached.key);
      return cached.principal;
    }
    const { answer: key, askedAt } = await this.revocations.current(() => this.keys.findByDigest(digest));
    if (!key) throw invalidKey();
    if (isRevoked(key, this.clock.now())) {
      await this.lateUses.report(key);
      throw new DomainError('unauthorized', 'API key has been revoked', { reason: 'api_key_revoked' });
    }
    this.assertUnexpired(key);
    // A service key is its organisation's: who made it may come and go.
    if (key.kind !== 'service_key') assertHolder(key);
    else if (key.orgId === null) throw missingOrganisation();
    const principal = principalOfKey(key);
    if (!this.revocations.sawSince(askedAt, (revocation) => concerns(revocation, principal)))
      this.cache.set(cacheKey, { principal, key });
    return principal;
  }

  private assertUnexpired({ expiresAt }: KeyWithOwner): void {
    if (expiresAt === null || expiresAt.getTime() > this.clock.now()) return;
    throw new DomainError('unauthorized', 'API key has expired; please rotate', { reason: 'api_key_expired' });
  }

  private forget(revocation: Revocation): void {
    for (const [digest, { principal }] of this.cache.entries()) {
      if (concerns(revocation, principal)) this.cache.delete(digest);
    }
  }
}

/** True when the revocation ends (or changes) what this principal was verified as. */
export function concerns(revocation: Revocation, principal: Principal): boolean {
  switch (revocation.kind) {
    case 'key':
      return principal.keyId === revocation.subjectId;
    case 'user':
      return principal.userId === revocation.subjectId;
    case 'account':
      return principal.accountId === revocation.subjectId;
    case 'pinned_session':
      return principal.pinnedSessionId === revocation.subjectId;
  }
}

function assertHolder(key: KeyWithOwner): void {
  if (!key.isActive) throw new DomainError('forbidden', 'User account is inactive', { reason: 'user_inactive' });
  if (key.isMember && key.needsSso) throw ssoRequired(key.accountSlug);
  if (key.isMember) return;
  throw new DomainError('forbidden', 'The user of this key has left the organization it acts for', {
    reason: 'not_a_member',
  });
}

function invalidKey(): DomainError {
  return new DomainError('unauthorized', 'Invalid API key');
}
