import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import { Audit, Database, Events, type Principal, Revocations } from '#platform';
import { generateKey, VISIBLE_PREFIX } from './key-format.js';
import { isRevoked, type Key, type MintedKey } from './key.js';
import { KeysRepository } from './keys.repository.js';
import { Pepper } from './pepper.js';

/** What the maker of a key decides. */
export type KeyFacts = Pick<
  Key,
  'kind' | 'userId' | 'accountId' | 'name' | 'scopes' | 'projectIds' | 'expiresAt' | 'createdBy' | 'ssoIdentityId'
>;

/**
 * Makes, ends and replaces keys of every kind: row, event, audit row and the revocation that tells all nodes are one
 * transaction, the caller's when it has one. Who may do so is the caller's question.
 */
@Injectable()
export class KeyLedger {
  constructor(
    private readonly db: Database,
    private readonly keys: KeysRepository,
    private readonly pepper: Pepper,
    private readonly revocations: Revocations,
    private readonly events: Events,
    private readonly audit: Audit,
    private readonly clock: Clock,
  ) {}

  /** A null actor is the system itself. Errors: `forbidden` for a pinned session. */
  async make(actor: Principal | null, facts: KeyFacts): Promise<MintedKey> {
    assertKey(actor);
    const minted = this.generate(facts);
    const { key } = minted;
    await this.db.transaction(async () => {
      await this.insert(minted);
      await this.events.record('key.created', subjectOf(key), { prefix: key.prefix, kind: key.kind });
      await this.audit.record(actor, 'key.create', subjectOf(key), { name: key.name, scopes: key.scopes });
    });
    return minted;
  }

  /** Ends a key everywhere within a second, its pinned sessions too. */
  async end(actor: Principal, key: Key, reason: string): Promise<void> {
    await this.db.transaction(async () => {
      await this.keys.revoke(key.id, reason, this.clock.date());
      await this.revocations.append('key', key.id);
      await this.events.record('key.revoked', subjectOf(key), { prefix: key.prefix, kind: key.kind });
      await this.audit.record(actor, 'key.revoke', subjectOf(key), { reason });
    });
  }

  /**
   * Puts a new key in the place of `old`, whose row the open transaction has locked: same name, scopes and account. The
   * old one is accepted for `graceSeconds` more, and its pinned sessions go on. Its life starts anew with the same
   * length, but a key that ends cannot make one that outlives it; what a sign-in gave ends when it would have. Errors:
   * `conflict` with reason `key_already_revoked`, `forbidden` for a pinned session.
   */
  async replace(
    caller: Principal,
    old: Key,
    { graceSeconds, reason }: { graceSeconds: number; reason: string },
  ): Promise<MintedKey> {
    assertKey(caller);
    this.assertReplaceable(old);
    const expiresAt = await this.endOfSuccessor(caller, old);
    const minted = this.generate({ ...old, expiresAt, createdBy: old.kind === 'service_key' ? caller.userId : null });
    const { key } = minted;
    const until = new Date(key.createdAt.getTime() + graceSeconds * 1000);
    await this.db.transaction(async () => {
      await this.insert(minted);
      await this.keys.replace(old.id, { keyId: key.id, until, reason });
      await this.revocations.append('key', old.id);
      const facts = { replaced_by: key.id, prefix: key.prefix, grace_seconds: graceSeconds };
      await this.events.record('key.rotated', subjectOf(old), facts);
      await this.audit.record(caller, 'key.rotate', subjectOf(old), facts);
    });
    return minted;
  }

  private generate(facts: KeyFacts): MintedKey {
    const raw = generateKey(facts.kind);
    const { kind, userId, accountId, name, scopes, projectIds, expiresAt, createdBy, ssoIdentityId } = facts;
    const unused = { revokedAt: null, revokeReason: null, lastUsedAt: null, lastUsedIp: null, replacedBy: null };
    const identity = { id: randomUUID(), prefix: raw.slice(0, VISIBLE_PREFIX), createdAt: this.clock.date() };
    const decided = {
      kind,
      userId,
      accountId,
      name,
      scopes: [...scopes],
      projectIds,
      expiresAt,
      createdBy,
      ssoIdentityId,
    };
    return { key: { ...identity, ...decided, ...unused }, raw };
  }

  private insert({ key, raw }: MintedKey): Promise<void> {
    return this.keys.insert(key, this.pepper.digest(raw));
  }

  private assertReplaceable(old: Key): void {
    if (old.replacedBy === null && !isRevoked(old, this.clock.now())) return;
    const message =
      old.replacedBy === null
        ? 'Cannot rotate a revoked key — create a new one'
        : 'Cannot rotate a key that was rotated already — rotate the one that replaced it';
    throw new DomainError('conflict', message, { reason: 'key_already_revoked' });
  }

  private async endOfSuccessor(caller: Principal, old: Key): Promise<Date | null> {
    const end = old.expiresAt?.getTime() ?? Infinity;
    const renewed = old.ssoIdentityId === null ? end - old.createdAt.getTime() + this.clock.now() : end;
    const limit = (await this.keys.findReach(caller.keyId))?.expiresAt?.getTime() ?? Infinity;
    const earliest = Math.min(renewed, limit);
    return earliest === Infinity ? null : new Date(earliest);
  }
}

/** A session is over in hours; what it made would not be. */
function assertKey(actor: Principal | null): void {
  if (actor === null || actor.pinnedSessionId === null) return;
  throw new DomainError('forbidden', 'A pinned session cannot make keys: present the key itself', {
    reason: 'key_required',
  });
}

function subjectOf({ accountId, id }: Pick<Key, 'accountId' | 'id'>): { accountId: string; kind: string; id: string } {
  return { accountId, kind: 'key', id };
}
