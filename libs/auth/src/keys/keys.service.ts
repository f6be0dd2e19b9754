import { Injectable } from '@nestjs/common';
import { Clock, DomainError, isUuid } from '#kernel';
import { Database, holdsScope, type Principal, WILDCARD } from '#platform';
import { type User, UsersService } from '#accounts';
import { ActedForAccounts } from './acted-for.js';
import { checkExpiry, checkScopes } from './key-input.js';
import { KeyLedger } from './key-ledger.js';
import { isRevoked, type Key, type KeyReach, knows, type MintedKey } from './key.js';
import { KeysRepository } from './keys.repository.js';

export interface NewKey {
  readonly name: string | null;
  /** Absent means unrestricted (`*`). */
  readonly scopes?: readonly string[];
  readonly expiresAt?: Date | null;
  /** Slug of the only account the key shall act for; absent: the one its maker acts for. */
  readonly account?: string | null;
  /** Set for keys of a single sign-on. */
  readonly ssoIdentityId?: string | null;
}

/** A person's own keys: mint, list, rotate, revoke (sessionfs-1.md §3). Service keys are never among them. */
@Injectable()
export class KeysService {
  constructor(
    private readonly db: Database,
    private readonly keys: KeysRepository,
    private readonly ledger: KeyLedger,
    private readonly accounts: ActedForAccounts,
    private readonly users: UsersService,
    private readonly clock: Clock,
  ) {}

  /**
   * A further key of the caller. A key cannot mint more than it holds, nor for an account it does not act for:
   * `forbidden` otherwise.
   */
  async create(caller: Principal, input: NewKey): Promise<MintedKey> {
    const scopes = checkScopes(input.scopes ?? [WILDCARD]);
    const beyond = scopes.filter((scope) => !holdsScope(caller, scope));
    if (beyond.length > 0) {
      throw new DomainError('forbidden', `This key cannot grant: ${beyond.join(', ')}`, {
        reason: 'insufficient_scope',
        details: { required: [...scopes].sort(), current: [...caller.scopes] },
      });
    }
    const reach = await this.reachOf(caller);
    checkExpiry(input.expiresAt ?? null, reach.expiresAt, this.clock.now());
    const accountId = await this.accountFor(caller, reach, input.account ?? caller.accountSlug);
    const ssoIdentityId = reach.ssoIdentityId;
    return this.mint({ id: caller.userId, accountId }, { ...input, scopes, ssoIdentityId }, caller);
  }

  /** Mints a key without asking who may; for sign-up and first start. Joins the open transaction. */
  mint(owner: Pick<User, 'id' | 'accountId'>, input: NewKey, actor: Principal | null = null): Promise<MintedKey> {
    return this.ledger.make(actor, {
      kind: 'user_key',
      userId: owner.id,
      accountId: owner.accountId,
      name: input.name,
      scopes: [...(input.scopes ?? [WILDCARD])],
      projectIds: null,
      expiresAt: input.expiresAt ?? null,
      createdBy: null,
      ssoIdentityId: input.ssoIdentityId ?? null,
    });
  }

  /** The keys that are accepted now (or merely expired), newest first. */
  async listLive(caller: Principal): Promise<Key[]> {
    const reach = await this.reachOf(caller);
    return (await this.keys.listLive(caller.userId, this.clock.date())).filter((key) => knows(reach, key));
  }

  /** All keys the caller ever had, newest first. */
  async listAll(caller: Principal): Promise<Key[]> {
    const reach = await this.reachOf(caller);
    return (await this.keys.listAll(caller.userId)).filter((key) => knows(reach, key));
  }

  /** Ends a live key of the caller everywhere within a second. Errors: `not_found`, also for one that has ended. */
  async revoke(caller: Principal, keyId: string): Promise<void> {
    await this.db.transaction(async () => {
      const key = await this.lock(caller, keyId);
      if (!key || isRevoked(key, this.clock.now())) throw new DomainError('not_found', 'API key not found');
      await this.ledger.end(caller, key, 'removed by its owner');
    });
  }

  /** As revoke, with a reason; repeating it changes nothing. Errors: `not_found`. */
  async revokeFor(caller: Principal, keyId: string, reason: string): Promise<void> {
    await this.db.transaction(async () => {
      const key = await this.lock(caller, keyId);
      if (!key) throw new DomainError('not_found', 'Key not found');
      // A key whose grace is over has ended, but the sessions it opened have not.
      if (!isRevoked(key, this.clock.now()) || key.replacedBy !== null) await this.ledger.end(caller, key, reason);
    });
  }

  /**
   * A new key in the place of one of the caller's; see KeyLedger.replace. Errors: `not_found`, `conflict`; `forbidden`
   * for a key of a single sign-on, unless the calling key is from the same one: it would stand in for signing in.
   */
  async rotate(caller: Principal, keyId: string, graceSeconds: number): Promise<MintedKey> {
    return this.db.transaction(async () => {
      const key = await this.lock(caller, keyId);
      if (!key) throw new DomainError('not_found', 'API key not found');
      const { ssoIdentityId } = await this.reachOf(caller);
      if (key.ssoIdentityId !== null && key.ssoIdentityId !== ssoIdentityId) throw signInAgain();
      const { email } = await this.users.get(caller.userId);
      return this.ledger.replace(caller, key, { graceSeconds, reason: `rotated by ${email}` });
    });
  }

  private async lock(caller: Principal, keyId: string): Promise<Key | null> {
    const key = isUuid(keyId) ? await this.keys.lockOwn(caller.userId, keyId) : null;
    return key && knows(await this.reachOf(caller), key) ? key : null;
  }

  /** A pinned session reaches no further than the account it was opened for. */
  private async reachOf(caller: Principal): Promise<KeyReach> {
    const reach = await this.keys.findReach(caller.keyId);
    if (!reach) throw new DomainError('unauthorized', 'Invalid API key');
    return caller.pinnedSessionId === null ? reach : { ...reach, accountId: caller.accountId, isPersonal: false };
  }

  /** The account the new key is for. A bound key makes no key that is bound less. */
  private async accountFor(caller: Principal, reach: KeyReach, slug: string): Promise<string> {
    if (slug === caller.accountSlug) return caller.accountId;
    const other = reach.isPersonal ? await this.accounts.find(caller.userId, slug) : null;
    if (!other) throw otherAccount('account');
    return other.accountId;
  }
}

function signInAgain(): DomainError {
  return new DomainError('forbidden', 'A key of a single sign-on is not rotated by another one: sign in again', {
    reason: 'sso_key',
  });
}

function otherAccount(field: string): DomainError {
  return new DomainError('forbidden', 'This key does not act for that account', { field });
}
