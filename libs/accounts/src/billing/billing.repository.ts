import { Injectable } from '@nestjs/common';
import { Database, type Tier } from '#platform';

/** A subscription as the provider last described it. */
export interface Subscription {
  readonly id: string;
  readonly accountId: string;
  readonly customerId: string;
  readonly tier: Tier;
  readonly status: string;
  readonly seats: number;
  readonly currentPeriodEnd: Date | null;
  /** When the provider made the statement this row holds. */
  readonly toldAt: Date;
  readonly endedAt: Date | null;
}

const COLUMNS = `id, account_id as "accountId", customer_id as "customerId", tier, status, seats,
  current_period_end as "currentPeriodEnd", told_at as "toldAt", ended_at as "endedAt"`;

const EVENTS_KEPT_DAYS = 90;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Every query on customers, subscriptions and the provider's events. */
@Injectable()
export class BillingRepository {
  constructor(private readonly db: Database) {}

  async findCustomer(accountId: string): Promise<string | null> {
    const [row] = await this.db.query<{ customerId: string }>(
      'select customer_id as "customerId" from billing_customer where account_id = $1',
      [accountId],
    );
    return row?.customerId ?? null;
  }

  async findAccountOfCustomer(customerId: string): Promise<string | null> {
    const [row] = await this.db.query<{ accountId: string }>(
      'select account_id as "accountId" from billing_customer where customer_id = $1',
      [customerId],
    );
    return row?.accountId ?? null;
  }

  /** The customer the account had first stays. */
  async insertCustomer(accountId: string, customerId: string): Promise<void> {
    await this.db.query(
      'insert into billing_customer (account_id, customer_id) values ($1, $2) on conflict do nothing',
      [accountId, customerId],
    );
  }

  async findSubscription(id: string): Promise<Subscription | null> {
    const [row] = await this.db.query<Subscription>(`select ${COLUMNS} from subscription where id = $1`, [id]);
    return row ?? null;
  }

  /** The account's live subscription, the newest of several. One that was never paid for is none. */
  async findLive(accountId: string): Promise<Subscription | null> {
    const [row] = await this.db.query<Subscription>(
      `select ${COLUMNS} from subscription
        where account_id = $1 and ended_at is null and status <> 'incomplete' order by created_at desc, id limit 1`,
      [accountId],
    );
    return row ?? null;
  }

  async save(subscription: Subscription): Promise<void> {
    const { id, accountId, customerId, tier, status, seats, currentPeriodEnd, toldAt, endedAt } = subscription;
    await this.db.query(
      `insert into subscription
         (id, account_id, customer_id, tier, status, seats, current_period_end, told_at, ended_at)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
       on conflict (id) do update set customer_id = $3, tier = $4, status = $5, seats = $6, current_period_end = $7,
         told_at = $8, ended_at = $9`,
      [id, accountId, customerId, tier, status, seats, currentPeriodEnd, toldAt, endedAt],
    );
  }

  async hasEvent(id: string): Promise<boolean> {
    return (await this.db.query('select 1 from billing_event where id = $1', [id])).length > 0;
  }

  /** False when the event was handled before; waits for a transaction that is handling it now. */
  async insertEvent(event: { id: string; type: string; createdAt: Date }): Promise<boolean> {
    const rows = await this.db.query(
      'insert into billing_event (id, type, created_at) values ($1, $2, $3) on conflict (id) do nothing returning id',
      [event.id, event.type, event.createdAt],
    );
    return rows.length > 0;
  }

  /** The provider repeats deliveries for days, and by hand for a month. */
  async sweepEvents(): Promise<void> {
    await this.db.query('delete from billing_event where handled_at < now() - make_interval(days => $1)', [
      EVENTS_KEPT_DAYS,
    ]);
  }

  async findAccountOfOrg(orgId: string): Promise<string | null> {
    const [row] = await this.db.query<{ accountId: string }>(
      'select account_id as "accountId" from organisation where id = $1',
      [orgId],
    );
    return row?.accountId ?? null;
  }

  async findAccountOfUser(userId: string): Promise<string | null> {
    // The id went out and came back: what is no UUID any more is nobody.
    if (!UUID.test(userId)) return null;
    const [row] = await this.db.query<{ accountId: string }>(
      'select account_id as "accountId" from app_user where id = $1',
      [userId],
    );
    return row?.accountId ?? null;
  }
}
