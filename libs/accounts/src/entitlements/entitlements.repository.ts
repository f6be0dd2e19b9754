import { Injectable } from '@nestjs/common';
import { Database, Revocations, type Tier } from '#platform';
import type { Entitlement } from './entitlement.js';

/** The account whose tier is about to change, with its organisation when it is one. Locked. */
export interface LockedAccount {
  readonly tier: Tier;
  readonly orgId: string | null;
  readonly seatsLimit: number | null;
}

/** Every query on entitlements, and the only place that writes `account.tier`. */
@Injectable()
export class EntitlementsRepository {
  constructor(
    private readonly db: Database,
    private readonly revocations: Revocations,
  ) {}

  /** The account of the person's home organisation (see Memberships.findHome); null without any. */
  async findHomeAccount(userId: string): Promise<string | null> {
    const [row] = await this.db.query<{ accountId: string }>(
      `select o.account_id as "accountId"
         from org_member m join app_user u on u.id = m.user_id join organisation o on o.id = m.org_id
        where m.user_id = $1
        order by (m.org_id = u.default_org_id) desc nulls last, m.joined_at, m.org_id limit 1`,
      [userId],
    );
    return row?.accountId ?? null;
  }

  async isPersonal(accountId: string): Promise<boolean> {
    const rows = await this.db.query(`select 1 from account where id = $1 and kind = 'personal'`, [accountId]);
    return rows.length > 0;
  }

  /** The account's tier at `now`: what has expired counts as free although the sweeper has not been by. */
  async findTier(accountId: string, now: Date): Promise<Tier> {
    const [row] = await this.db.query<{ tier: Tier }>(
      `select case when e.expires_at <= $2 then 'free' else a.tier end as tier
         from account a left join entitlement e on e.account_id = a.id and e.ended_at is null
        where a.id = $1`,
      [accountId, now],
    );
    return row?.tier ?? 'free';
  }

  /** Organisation first, then account: everybody who needs both takes them in this order. */
  async lockAccount(accountId: string): Promise<LockedAccount | null> {
    const [org] = await this.db.query<{ id: string; seatsLimit: number }>(
      'select id, seats_limit as "seatsLimit" from organisation where account_id = $1 for update',
      [accountId],
    );
    const [account] = await this.db.query<{ tier: Tier }>('select tier from account where id = $1 for update', [
      accountId,
    ]);
    return account ? { tier: account.tier, orgId: org?.id ?? null, seatsLimit: org?.seatsLimit ?? null } : null;
  }

  async findActive(accountId: string): Promise<Entitlement | null> {
    const [row] = await this.db.query<Entitlement>(
      `select account_id as "accountId", tier, source, source_ref as "sourceRef", expires_at as "expiresAt"
         from entitlement where account_id = $1 and ended_at is null`,
      [accountId],
    );
    return row ?? null;
  }

  async endActive(accountId: string, reason: string, now: Date): Promise<void> {
    await this.db.query(
      'update entitlement set ended_at = $3, end_reason = $2 where account_id = $1 and ended_at is null',
      [accountId, reason, now],
    );
  }

  async insert(entitlement: Entitlement, now: Date): Promise<void> {
    const { accountId, tier, source, sourceRef, expiresAt } = entitlement;
    await this.db.query(
      `insert into entitlement (account_id, tier, source, source_ref, expires_at, created_at)
       values ($1, $2, $3, $4, $5, $6)`,
      [accountId, tier, source, sourceRef, expiresAt, now],
    );
  }

  async prolong(accountId: string, expiresAt: Date | null): Promise<void> {
    await this.db.query('update entitlement set expires_at = $2 where account_id = $1 and ended_at is null', [
      accountId,
      expiresAt,
    ]);
  }

  async setTier(accountId: string, tier: Tier): Promise<void> {
    await this.db.query('update account set tier = $2 where id = $1', [accountId, tier]);
  }

  async setOrgLimits(orgId: string, seatsLimit: number, storageLimitBytes: number): Promise<void> {
    await this.db.query('update organisation set seats_limit = $2, storage_limit_bytes = $3 where id = $1', [
      orgId,
      seatsLimit,
      storageLimitBytes,
    ]);
  }

  /** What one account bought belongs to another from now on. Answers the seats that were bought. */
  async moveSubscriptions(fromAccountId: string, toAccountId: string): Promise<number | null> {
    const [row] = await this.db.query<{ seats: number }>(
      'update subscription set account_id = $2 where account_id = $1 and ended_at is null returning seats',
      [fromAccountId, toAccountId],
    );
    await this.db.query('update billing_customer set account_id = $2 where account_id = $1', [
      fromAccountId,
      toAccountId,
    ]);
    return row?.seats ?? null;
  }

  /** Bytes, 0 for as many as it likes; null when there is no such organisation. */
  async findOrgStorageLimit(orgId: string): Promise<number | null> {
    const [row] = await this.db.query<{ bytes: string }>(
      'select storage_limit_bytes as bytes from organisation where id = $1',
      [orgId],
    );
    return row ? Number(row.bytes) : null;
  }

  /** Every node forgets the principals of the account within a second; they carry the tier. */
  async revoke(accountId: string): Promise<void> {
    await this.revocations.append('account', accountId);
  }

  /** Accounts whose tier is over. */
  async listExpired(now: Date, limit: number): Promise<string[]> {
    const rows = await this.db.query<{ accountId: string }>(
      `select account_id as "accountId" from entitlement
        where ended_at is null and expires_at <= $1 order by expires_at limit $2`,
      [now, limit],
    );
    return rows.map((row) => row.accountId);
  }
}
