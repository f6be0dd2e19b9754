import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { ssoRequired } from '#accounts';
import { DomainError, isSlug } from '#kernel';
import { crossOrgDenied, type Principal, type Revocation, Revocations } from '#platform';
import type { ActedFor } from './key.js';
import { KeysRepository } from './keys.repository.js';

const MAX_CACHED = 10_000;

/**
 * Principals of one person turned to the organisations it belongs to (DESIGN §4). Memberships are cached as verified
 * keys are: until revoked, or until this node cannot follow revocations.
 */
@Injectable()
export class ActedForAccounts {
  private readonly cache = new LRUCache<string, ActedFor & { userId: string }>({ max: MAX_CACHED, ttl: 300_000 });

  constructor(
    private readonly keys: KeysRepository,
    private readonly revocations: Revocations,
  ) {
    revocations.onRevocation((revocation) => this.forget(revocation));
  }

  /**
   * The principal as it acts for the account of that slug; null when it may not. A key made for an organisation, a
   * service key and a pinned session act for nothing but their own account. Errors: `forbidden` when the organisation
   * wants its members to come through its single sign-on.
   */
  async turn(principal: Principal, slug: string): Promise<Principal | null> {
    if (slug === principal.accountSlug) return principal;
    if (principal.kind !== 'user_key' || principal.orgId !== null || principal.pinnedSessionId !== null) return null;
    const found = await this.find(principal.userId, slug);
    if (found?.needsSso) throw ssoRequired(slug);
    return found && Object.freeze({ ...principal, ...identityOf(found) });
  }

  /** As turn, for a caller who named the account. @throws DomainError `forbidden` */
  async turnOrRefuse(principal: Principal, slug: string): Promise<Principal> {
    const turned = await this.turn(principal, slug);
    if (turned) return turned;
    // The other one is not named: whether the slug is an organisation's is none of this key's business.
    if (principal.kind === 'service_key') throw crossOrgDenied(principal, null);
    throw new DomainError('forbidden', 'This key does not act for the account named in X-Account', {
      field: 'X-Account',
    });
  }

  /** The organisation's account, if the person is a member. */
  async find(userId: string, slug: string): Promise<ActedFor | null> {
    if (!isSlug(slug)) return null;
    const cacheKey = `${userId} ${slug}`;
    const cached = this.revocations.isFresh ? this.cache.get(cacheKey) : undefined;
    if (cached) return factsOf(cached);
    const { answer: found, askedAt } = await this.revocations.current(() => this.keys.findActedFor(userId, slug));
    if (!found) return null;
    const entry = { ...found, userId };
    if (!this.revocations.sawSince(askedAt, (revocation) => touches(revocation, entry)))
      this.cache.set(cacheKey, entry);
    return found;
  }

  private forget(revocation: Revocation): void {
    for (const [key, entry] of this.cache.entries()) if (touches(revocation, entry)) this.cache.delete(key);
  }
}

function touches(revocation: Revocation, entry: ActedFor & { userId: string }): boolean {
  if (revocation.kind === 'user') return entry.userId === revocation.subjectId;
  return revocation.kind === 'account' && entry.accountId === revocation.subjectId;
}

function factsOf({ accountId, accountSlug, orgId, tier, needsSso }: ActedFor): ActedFor {
  return { accountId, accountSlug, orgId, tier, needsSso };
}

function identityOf({ accountId, accountSlug, orgId, tier }: ActedFor): Omit<ActedFor, 'needsSso'> {
  return { accountId, accountSlug, orgId, tier };
}
