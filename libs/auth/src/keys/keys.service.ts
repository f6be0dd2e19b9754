import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import { Audit, Database, Events, expandScopes, holdsScope, isScope, type Principal, WILDCARD } from '#platform';
import type { User } from '#accounts';
import { ActedForAccounts } from './acted-for.js';
import { generateKey, VISIBLE_PREFIX } from './key-format.js';
import type { Key, MintedKey } from './key.js';
import { KeysRepository } from './keys.repository.js';
import { Pepper } from './pepper.js';
import { Revocations } from './revocations.js';

export interface NewKey {
  readonly name: string | null;
  /** Absent means unrestricted (`*`). */
  readonly scopes?: readonly string[];
  readonly expiresAt?: Date | null;
  /** Slug of the only account the key shall act for; absent: the one its maker acts for. */
  readonly account?: string | null;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** User keys: mint, list, revoke (sessionfs-1.md §3). */
@Injectable()
export class KeysService {
  constructor(
    private readonly db: Database,
    private readonly keys: KeysRepository,
    private readonly accounts: ActedForAccounts,
    private readonly pepper: Pepper,
    private readonly revocations: Revocations,
    private readonly events: Events,
    private readonly audit: Audit,
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
      });
    }
    if (input.expiresAt && input.expiresAt.getTime() <= this.clock.now()) {
      throw new DomainError('invalid_input', 'expires_at must be in the future', { field: 'expires_at' });
    }
    const accountId = await this.accountFor(caller, input);
    return this.mint({ id: caller.userId, accountId }, { ...input, scopes }, caller);
  }

  /** Mints a key without asking who may; for sign-up and first start. Joins the open transaction. */
  async mint(owner: Pick<User, 'id' | 'accountId'>, input: NewKey, actor: Principal | null = null): Promise<MintedKey> {
    const raw = generateKey('user_key');
    const key: Key = {
      id: randomUUID(),
      kind: 'user_key',
      userId: owner.id,
      accountId: owner.accountId,
      name: input.name,
      prefix: raw.slice(0, VISIBLE_PREFIX),
      scopes: [...(input.scopes ?? [WILDCARD])],
      projectIds: null,
      createdAt: this.clock.date(),
      expiresAt: input.expiresAt ?? null,
      revokedAt: null,
      lastUsedAt: null,
    };
    const subject = { accountId: owner.accountId, kind: 'key', id: key.id };
    await this.db.transaction(async () => {
      await this.keys.insert(key, this.pepper.digest(raw));
      await this.events.record('key.created', subject, { prefix: key.prefix });
      await this.audit.record(actor, 'key.create', subject, { name: key.name, scopes: key.scopes });
    });
    return { key, raw };
  }

  /** The account the new key is for. A key that ends or is bound makes no successor that does not or is not. */
  private async accountFor(caller: Principal, { account, expiresAt }: NewKey): Promise<string> {
    const reach = await this.keys.findReach(caller.keyId);
    assertNotOutlived(reach?.expiresAt ?? null, expiresAt ?? null);
    if (!account || account === caller.accountSlug) return caller.accountId;
    const mayTurn = reach?.isPersonal === true && caller.pinnedSessionId === null;
    const other = mayTurn ? await this.accounts.find(caller.userId, account) : null;
    if (other) return other.accountId;
    throw new DomainError('forbidden', 'You cannot make keys for that account', { field: 'account' });
  }

  list(caller: Principal): Promise<Key[]> {
    return this.keys.listLive(caller.userId);
  }

  /** Ends a key of the caller everywhere within a second. Errors: `not_found`. */
  async revoke(caller: Principal, keyId: string): Promise<void> {
    await this.db.transaction(async (tx) => {
      const revoked =
        UUID.test(keyId) && (await this.keys.revoke(caller.userId, keyId, 'removed by its owner', this.clock.date()));
      if (!revoked) throw new DomainError('not_found', 'API key not found');
      const subject = { accountId: caller.accountId, kind: 'key', id: keyId };
      const revocation = await this.keys.appendRevocation('key', keyId.toLowerCase());
      tx.afterCommit(() => this.revocations.announce(revocation));
      await this.events.record('key.revoked', subject);
      await this.audit.record(caller, 'key.revoke', subject);
    });
  }
}

function assertNotOutlived(limit: Date | null, expiresAt: Date | null): void {
  if (limit === null || (expiresAt !== null && expiresAt <= limit)) return;
  throw new DomainError('forbidden', `This key cannot make one that outlives it (${limit.toISOString()})`, {
    reason: 'key_would_outlive',
    field: 'expires_at',
  });
}

function checkScopes(scopes: readonly string[]): string[] {
  const unknown = scopes.find((scope) => scope !== WILDCARD && !isScope(scope));
  if (unknown !== undefined) {
    throw new DomainError('invalid_input', `Unknown scope: ${unknown.slice(0, 60)}`, { field: 'scopes' });
  }
  return expandScopes(scopes);
}
