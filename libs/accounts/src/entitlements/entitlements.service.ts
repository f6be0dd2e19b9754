import { Injectable } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import { Audit, type AuditSubject, Database, Events, type Principal, type Tier } from '#platform';
import { ACCOUNT_TIER_CHANGED } from '../accounts.events.js';
import { storageLimitOf } from '../tiers.js';
import type { Entitlement } from './entitlement.js';
import { EntitlementsRepository, type LockedAccount } from './entitlements.repository.js';

export interface Grant extends Entitlement {
  /** Seats of an organisation; unchanged when absent. */
  readonly seats?: number;
  /** Bytes an organisation may store, 0 for as many as it likes; what the tier gives its seats when absent. */
  readonly storageLimitBytes?: number;
}

export interface TierChange {
  readonly oldTier: Tier;
  readonly newTier: Tier;
}

/**
 * The single way an account's tier changes: entitlement, `account.tier`, the organisation's limits, event, audit row
 * and the revocation that makes every node read the tier afresh are one transaction. Callers may open it themselves.
 */
@Injectable()
export class EntitlementsService {
  constructor(
    private readonly db: Database,
    private readonly entitlements: EntitlementsRepository,
    private readonly events: Events,
    private readonly audit: Audit,
    private readonly clock: Clock,
  ) {}

  /**
   * Gives the account a tier in place of whatever it had. `actor` is null for the system, `subject` what the audit row
   * names when it is not the account. Errors: `not_found`.
   */
  grant(actor: Principal | null, grant: Grant, subject?: AuditSubject): Promise<TierChange> {
    return this.db.transaction(async () => {
      const account = await this.locked(grant.accountId);
      await this.entitlements.endActive(grant.accountId, 'replaced', this.clock.date());
      await this.entitlements.insert(grant, this.clock.date());
      return this.apply(actor, account, grant, subject);
    });
  }

  /**
   * Ends the tier that `sourceRef` gave: the account is free, an organisation has no seats to give away any more (its
   * members stay). Changes nothing when the account has its tier from elsewhere by now; answers whether it did.
   */
  async end(accountId: string, sourceRef: string | null, reason: string): Promise<boolean> {
    return this.db.transaction(async () => {
      const account = await this.locked(accountId);
      const active = await this.entitlements.findActive(accountId);
      if (!active || active.sourceRef !== sourceRef) return false;
      await this.fallBack(account, accountId, reason);
      return true;
    });
  }

  /** Moves the end of the tier that `sourceRef` gave. Changes nothing when the account has its tier from elsewhere. */
  async prolong(accountId: string, sourceRef: string, expiresAt: Date | null): Promise<void> {
    await this.db.transaction(async () => {
      await this.locked(accountId);
      const active = await this.entitlements.findActive(accountId);
      if (active?.sourceRef === sourceRef) await this.entitlements.prolong(accountId, expiresAt);
    });
  }

  /**
   * Hands what one account bought to another: a person's subscription pays for the organisation they create
   * (sessionfs-2.md §14.2), and the person falls back to free. Answers false when nothing was bought.
   */
  async move(fromAccountId: string, toAccountId: string): Promise<boolean> {
    return this.db.transaction(async () => {
      const from = await this.locked(fromAccountId);
      const active = await this.entitlements.findActive(fromAccountId);
      if (active?.source !== 'stripe') return false;
      const seats = await this.entitlements.moveSubscriptions(fromAccountId, toAccountId);
      await this.fallBack(from, fromAccountId, 'moved');
      await this.grant(null, { ...active, accountId: toAccountId, ...(seats !== null && { seats }) });
      return true;
    });
  }

  /** Makes everybody who would change the account's tier wait until the open transaction ends. Errors: `not_found`. */
  async lock(accountId: string): Promise<void> {
    await this.locked(accountId);
  }

  findActive(accountId: string): Promise<Entitlement | null> {
    return this.entitlements.findActive(accountId);
  }

  /** Takes the tiers away whose time is over. Answers how many. */
  async expireDue(limit = 100): Promise<number> {
    const due = await this.entitlements.listExpired(this.clock.date(), limit);
    for (const accountId of due) {
      await this.db.transaction(async () => {
        const account = await this.locked(accountId);
        const active = await this.entitlements.findActive(accountId);
        // It may have been renewed since it was listed.
        if (!active?.expiresAt || active.expiresAt > this.clock.date()) return;
        await this.fallBack(account, accountId, 'expired');
      });
    }
    return due.length;
  }

  private async fallBack(account: LockedAccount, accountId: string, reason: string): Promise<void> {
    await this.entitlements.endActive(accountId, reason, this.clock.date());
    await this.apply(null, account, { accountId, tier: 'free', seats: 0, storageLimitBytes: 0 });
  }

  private async apply(
    actor: Principal | null,
    account: LockedAccount,
    change: Pick<Grant, 'accountId' | 'tier' | 'seats' | 'storageLimitBytes'>,
    subject: AuditSubject = { accountId: change.accountId, kind: 'account', id: change.accountId },
  ): Promise<TierChange> {
    const { accountId, tier } = change;
    await this.entitlements.setTier(accountId, tier);
    const seats = account.orgId === null ? null : (change.seats ?? account.seatsLimit ?? 0);
    if (account.orgId !== null && seats !== null) {
      const storage = change.storageLimitBytes ?? storageLimitOf(tier, seats) ?? 0;
      await this.entitlements.setOrgLimits(account.orgId, seats, storage);
    }
    const facts = { old_tier: account.tier, new_tier: tier, ...(seats !== null && { seats }) };
    await this.events.record(ACCOUNT_TIER_CHANGED, subject, facts);
    await this.audit.record(actor, 'tier_change', subject, facts);
    await this.entitlements.revoke(accountId);
    return { oldTier: account.tier, newTier: tier };
  }

  private async locked(accountId: string): Promise<LockedAccount> {
    const account = await this.entitlements.lockAccount(accountId);
    if (!account) throw new DomainError('not_found', 'Account not found');
    return account;
  }
}
