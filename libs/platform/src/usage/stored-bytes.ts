import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { AppConfig } from '../config/app-config.js';
import { Database } from '../database/database.js';

const FOLD_MS = 5_000;
/** Any fixed number: only one node folds at a time. */
const FOLD_LOCK = 7_264_003;

/**
 * How many bytes accounts store, in the database and in the transactions of the writes. Writers append to a table
 * nobody looks rows up in, so that none waits for the counter of its account; the changes are folded into the counters
 * every few seconds, and every total counts both. An `item` is one thing that is stored and deleted as a whole,
 * e.g. `repo:<id>`.
 */
@Injectable()
export class StoredBytes implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger(StoredBytes.name);
  private timer: NodeJS.Timeout | undefined;
  private folding: Promise<void> = Promise.resolve();

  constructor(
    private readonly db: Database,
    private readonly config: AppConfig,
  ) {}

  onApplicationBootstrap(): void {
    if (this.config.APP_MODE === 'api') return;
    this.timer = setInterval(() => {
      this.folding = this.tryFold();
    }, FOLD_MS).unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.folding;
  }

  /** Counts bytes without a bound: no statement of its own, they go with the transaction's event and audit rows. */
  async add(accountId: string, item: string, bytes: number): Promise<void> {
    if (bytes !== 0) await this.append(accountId, item, bytes, bytes);
  }

  /**
   * Counts bytes unless the account would then store more than `limit`; false when it would. However many writers come
   * at once, their sum stays below: each waits for the account's row until the one before has committed. To be called
   * late in the transaction of the write.
   */
  async reserve(accountId: string, item: string, bytes: number, limit: number): Promise<boolean> {
    const rows = await this.db.query(
      `insert into account_storage (account_id, bytes) select $1::uuid, $2::bigint where $2::bigint <= $3::bigint
       on conflict (account_id) do update set bytes = account_storage.bytes + excluded.bytes
         where account_storage.bytes + excluded.bytes <= $3
       returning account_id`,
      [accountId, bytes, limit],
    );
    if (rows.length === 0) return false;
    await this.append(accountId, item, 0, bytes);
    return true;
  }

  /** Gives the bytes of a deleted item back and answers how many. To be called once nobody can write to it any more. */
  async release(accountId: string, item: string): Promise<number> {
    return this.db.transaction(async () => {
      const pending = await this.db.query<{ account: string; item: string }>(
        'delete from storage_change where item = $1 returning account_bytes as account, item_bytes as item',
        [item],
      );
      const [stored] = await this.db.query<{ bytes: string }>(
        'delete from stored_item where item = $1 returning bytes',
        [item],
      );
      const counted = sum(pending.map((change) => change.account));
      const held = sum(pending.map((change) => change.item)) + Number(stored?.bytes ?? 0);
      if (counted === held) return held;
      await this.db.query(
        `insert into account_storage (account_id, bytes) values ($1, $2)
         on conflict (account_id) do update set bytes = account_storage.bytes + excluded.bytes`,
        [accountId, counted - held],
      );
      return held;
    });
  }

  /** Corrects an item to what was measured; what is written to it meanwhile may be missing until the next measure. */
  async measure(accountId: string, item: string, bytes: number): Promise<void> {
    await this.db.transaction(async () => {
      const [row] = await this.db.query<{ bytes: string }>(
        `select coalesce((select bytes from stored_item where item = $1), 0)
              + coalesce((select sum(item_bytes) from storage_change where item = $1), 0) as bytes`,
        [item],
      );
      await this.add(accountId, item, bytes - Number(row?.bytes ?? 0));
    });
  }

  async usedBy(accountId: string): Promise<number> {
    const [row] = await this.db.query<{ bytes: string }>(
      `select coalesce((select bytes from account_storage where account_id = $1), 0)
            + coalesce((select sum(account_bytes) from storage_change where account_id = $1), 0) as bytes`,
      [accountId],
    );
    return Math.max(0, Number(row?.bytes ?? 0));
  }

  /** Moves the appended changes into the counters. */
  async fold(): Promise<void> {
    await this.db.detached(() =>
      this.db.transaction(async () => {
        const [lock] = await this.db.query<{ held: boolean }>('select pg_try_advisory_xact_lock($1) as held', [
          FOLD_LOCK,
        ]);
        if (!lock?.held) return;
        await this.db.query(
          `with moved as (delete from storage_change returning account_id, item, account_bytes, item_bytes),
                items as (
             insert into stored_item (item, account_id, bytes)
             select item, account_id, sum(item_bytes) from moved group by item, account_id order by item
             on conflict (item) do update set bytes = stored_item.bytes + excluded.bytes)
           insert into account_storage (account_id, bytes)
           select account_id, sum(account_bytes) from moved
            group by account_id having sum(account_bytes) <> 0 order by account_id
           on conflict (account_id) do update set bytes = account_storage.bytes + excluded.bytes`,
        );
      }),
    );
  }

  private async tryFold(): Promise<void> {
    try {
      await this.fold();
    } catch (error) {
      this.log.warn({ msg: 'stored bytes could not be folded; the next round does it', err: error });
    }
  }

  private append(accountId: string, item: string, accountBytes: number, itemBytes: number): Promise<void> {
    return this.db.append('storage_change', {
      account_id: accountId,
      item,
      account_bytes: accountBytes,
      item_bytes: itemBytes,
    });
  }
}

function sum(values: readonly string[]): number {
  return values.reduce((total, value) => total + Number(value), 0);
}
