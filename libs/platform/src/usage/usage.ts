import { AsyncLocalStorage } from 'node:async_hooks';
import { Injectable, Logger, type OnApplicationBootstrap, type BeforeApplicationShutdown } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Clock } from '#kernel';
import { Database } from '../database/database.js';

const FLUSH_MS = 1_000;
const REFRESH_MS = 10_000;

interface Counted {
  readonly accountId: string;
  readonly eventType: string;
  quantity: number;
}

interface MonthTotal {
  total: number;
  readonly month: string;
  readAt: number;
}

/**
 * Counts what accounts use (`api_call`, `git_transfer_bytes`, …) in memory and adds it to `usage_daily` every second
 * and at shutdown: a request is never slowed by its own metering.
 */
@Injectable()
export class Usage implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger(Usage.name);
  private pending = new Map<string, Counted>();
  private readonly months = new LRUCache<string, MonthTotal>({ max: 10_000 });
  private timer: NodeJS.Timeout | undefined;
  /** A refresh belongs to no request and joins no transaction. */
  private readonly outside = AsyncLocalStorage.snapshot();
  private writing: Promise<void> = Promise.resolve();

  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.flush(), FLUSH_MS).unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.flush();
  }

  count(accountId: string, eventType: string, quantity = 1): void {
    const key = `${accountId} ${eventType}`;
    const counted = this.pending.get(key);
    if (counted) counted.quantity += quantity;
    else this.pending.set(key, { accountId, eventType, quantity });
    const month = this.months.get(key);
    if (month) month.total += quantity;
  }

  /** The present calendar month in UTC, as YYYY-MM. */
  currentMonth(): string {
    return this.clock.date().toISOString().slice(0, 7);
  }

  /** Quantities of a month (YYYY-MM) per event type; what other nodes counted in the last second may be missing. */
  async totalsOf(accountId: string, month: string): Promise<Map<string, number>> {
    await this.flush();
    const rows = await this.db.query<{ eventType: string; total: string }>(
      `select event_type as "eventType", sum(quantity) as total from usage_daily
        where account_id = $1 and day >= ($2 || '-01')::date and day < ($2 || '-01')::date + interval '1 month'
        group by event_type`,
      [accountId, month],
    );
    return new Map(rows.map(({ eventType, total }) => [eventType, Number(total)]));
  }

  /**
   * Quantity of this calendar month (UTC), other nodes' included as of the last look, at most one call after 10 s. Only
   * the first call for an account waits for the database: plan gates stand in the path of every billable request.
   */
  async monthTotal(accountId: string, eventType: string): Promise<number> {
    const key = `${accountId} ${eventType}`;
    const month = this.currentMonth();
    const known = this.months.get(key);
    if (known?.month !== month) return this.readMonth(accountId, eventType, month);
    if (this.clock.now() - known.readAt >= REFRESH_MS) this.refreshLater(accountId, eventType, known);
    return known.total;
  }

  private refreshLater(accountId: string, eventType: string, known: MonthTotal): void {
    known.readAt = this.clock.now();
    const refresh = (): Promise<unknown> =>
      this.readMonth(accountId, eventType, known.month).catch((error: unknown) =>
        this.log.warn({ msg: 'usage could not be read; the next call tries again', err: error }),
      );
    this.outside(() => void refresh());
  }

  private async readMonth(accountId: string, eventType: string, month: string): Promise<number> {
    const key = `${accountId} ${eventType}`;
    const [row] = await this.db.query<{ total: string }>(
      `select coalesce(sum(quantity), 0) as total from usage_daily
        where account_id = $1 and event_type = $2 and day >= ($3 || '-01')::date`,
      [accountId, eventType, month],
    );
    const total = Number(row?.total ?? 0) + (this.pending.get(key)?.quantity ?? 0);
    this.months.set(key, { total, month, readAt: this.clock.now() });
    return total;
  }

  /** Writes what was counted; what cannot be written is kept for the next time. */
  flush(): Promise<void> {
    this.writing = this.writing.then(() => this.write());
    return this.writing;
  }

  private async write(): Promise<void> {
    if (this.pending.size === 0) return;
    const batch = [...this.pending.values()];
    this.pending = new Map();
    try {
      await this.db.detached(() =>
        this.db.query(
          `insert into usage_daily (account_id, day, event_type, quantity)
         select u.account_id, $4::date, u.event_type, u.quantity
           from unnest($1::uuid[], $2::text[], $3::bigint[]) as u(account_id, event_type, quantity)
         on conflict (account_id, day, event_type) do update set quantity = usage_daily.quantity + excluded.quantity`,
          [
            batch.map((entry) => entry.accountId),
            batch.map((entry) => entry.eventType),
            batch.map((entry) => entry.quantity),
            this.clock.date().toISOString().slice(0, 10),
          ],
        ),
      );
    } catch (error) {
      this.log.warn({ msg: 'usage could not be written; kept for the next round', err: error });
      for (const { accountId, eventType, quantity } of batch) this.restore(accountId, eventType, quantity);
    }
  }

  private restore(accountId: string, eventType: string, quantity: number): void {
    const key = `${accountId} ${eventType}`;
    const counted = this.pending.get(key);
    if (counted) counted.quantity += quantity;
    else this.pending.set(key, { accountId, eventType, quantity });
  }
}
