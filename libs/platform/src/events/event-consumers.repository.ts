import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import type { EventCursor, RecordedEvent } from './events.js';

/** How long a node that died keeps the others from its consumers. */
export const LEASE_SECONDS = 30;
const MAX_REASON = 500;

export interface ConsumerState {
  readonly name: string;
  /** Tries in a row that failed. */
  readonly failures: number;
  /** Age of the oldest event it has yet to handle; 0 without one. */
  readonly lagSeconds: number;
}

const CLUSTER = `(select system_identifier::text from pg_control_system())`;
const SETTLED = 'e.xid < pg_snapshot_xmin(pg_current_snapshot())';

/** Every query on consumers' positions in the event log. Times are the database's, which all nodes share. */
@Injectable()
export class EventConsumersRepository {
  constructor(private readonly db: Database) {}

  /** Makes the consumer's row; one that reads from now on begins with what is not settled yet. */
  async ensure(name: string, types: readonly string[], from: 'start' | 'now'): Promise<void> {
    await this.db.query(
      `insert into event_consumer (name, types, cluster, xid, id)
       select $1, $2, ${CLUSTER}, case when $3 then '0'::xid8 else pg_snapshot_xmin(pg_current_snapshot()) end, 0
       on conflict (name) do update set types = excluded.types where event_consumer.types <> excluded.types`,
      [name, types, from === 'start'],
    );
  }

  /**
   * After a restore on another database server its transaction ids mean nothing: the events that came along become the
   * oldest of all in order of their ids, and consumers go on at the first of them they had not handled.
   */
  async adopt(): Promise<void> {
    const [foreign] = await this.db.query(`select 1 from event_consumer where cluster <> ${CLUSTER} limit 1`);
    if (!foreign) return;
    await this.db.transaction(async () => {
      await this.db.query('select 1 from event_consumer order by name for update');
      await this.db.query(
        `update event_consumer c set cluster = ${CLUSTER}, xid = '3', lease_owner = null, lease_until = null,
           id = coalesce((select min(e.id) - 1 from event e where (e.xid, e.id) > (c.xid, c.id)),
                         (select max(e.id) from event e), 0)
         where cluster <> ${CLUSTER}`,
      );
      await this.db.query(`update event set xid = '3' where xid <> '3'`);
    });
  }

  /** Those of `names` that may have something to do, and whether events wait for older transactions to end. */
  async findDue(names: readonly string[]): Promise<{ due: string[]; hasUnsettled: boolean }> {
    const [row] = await this.db.query<{ due: string[]; hasUnsettled: boolean }>(
      `select exists (select from event e where not ${SETTLED}) as "hasUnsettled",
              array(select c.name from event_consumer c
                     where c.name = any($1) and c.retry_at <= now() and coalesce(c.lease_until, '-infinity') <= now()
                       and exists (select from event e where (e.xid, e.id) > (c.xid, c.id) and ${SETTLED})) as due`,
      [names],
    );
    return row ?? { due: [], hasUnsettled: false };
  }

  async isBehind(name: string, subjectId: string): Promise<boolean> {
    const [row] = await this.db.query<{ isBehind: boolean }>(
      `select exists (select from event_consumer c join event e on (e.xid, e.id) > (c.xid, c.id) and e.type = any(c.types)
                       where c.name = $1 and e.subject_id = $2) as "isBehind"`,
      [name, subjectId],
    );
    return row?.isBehind ?? false;
  }

  /** Takes the consumer for this process; null while another has it or it waits to try again. */
  async claim(name: string, owner: string): Promise<EventCursor | null> {
    const [row] = await this.db.query<EventCursor>(
      `update event_consumer set lease_owner = $2, lease_until = now() + make_interval(secs => ${LEASE_SECONDS})
        where name = $1 and retry_at <= now() and coalesce(lease_until, '-infinity') <= now()
        returning xid::text, id::text`,
      [name, owner],
    );
    return row ?? null;
  }

  /** The last event that can be read now. */
  async horizon(): Promise<EventCursor | null> {
    const [row] = await this.db.query<EventCursor>(
      `select e.xid::text, e.id::text from event e where ${SETTLED} order by e.xid desc, e.id desc limit 1`,
    );
    return row ?? null;
  }

  /** Events of the types after `after`, up to and with `horizon`. */
  read(types: readonly string[], after: EventCursor, horizon: EventCursor, limit: number): Promise<RecordedEvent[]> {
    return this.db.query<RecordedEvent>(
      `select e.id::text, e.xid::text, e.type, e.account_id as "accountId", e.subject_kind as "subjectKind",
              e.subject_id as "subjectId", e.payload, e.at
         from event e
        where (e.xid, e.id) > ($2::xid8, $3::bigint) and (e.xid, e.id) <= ($4::xid8, $5::bigint) and e.type = any($1)
        order by e.xid, e.id limit $6`,
      [types, after.xid, after.id, horizon.xid, horizon.id, limit],
    );
  }

  /** Everything up to the position is handled; the lease begins anew. False when it was lost. */
  async advance(name: string, owner: string, { xid, id }: EventCursor): Promise<boolean> {
    const rows = await this.db.query(
      `update event_consumer set xid = $3::xid8, id = $4, failures = 0, last_error = null,
         lease_until = now() + make_interval(secs => ${LEASE_SECONDS})
        where name = $1 and lease_owner = $2 returning 1`,
      [name, owner, xid, id],
    );
    return rows.length > 0;
  }

  async renew(name: string, owner: string): Promise<void> {
    await this.db.query(
      `update event_consumer set lease_until = now() + make_interval(secs => ${LEASE_SECONDS})
        where name = $1 and lease_owner = $2`,
      [name, owner],
    );
  }

  /** Gives the consumer back. */
  async release(name: string, owner: string): Promise<void> {
    await this.db.query(
      'update event_consumer set lease_owner = null, lease_until = null where name = $1 and lease_owner = $2',
      [name, owner],
    );
  }

  /** Gives the consumer back, not to be tried before the wait is over. @returns its failures in a row */
  async fail(name: string, owner: string, reason: string, maxWaitSeconds: number): Promise<number> {
    const [row] = await this.db.query<{ failures: number }>(
      `update event_consumer set lease_owner = null, lease_until = null, failures = failures + 1, last_error = $3,
         retry_at = now() + make_interval(secs => least($4, 0.5 * 2 ^ least(failures, 20)))
        where name = $1 and lease_owner = $2 returning failures`,
      [name, owner, reason.slice(0, MAX_REASON), maxWaitSeconds],
    );
    return row?.failures ?? 0;
  }

  states(): Promise<ConsumerState[]> {
    return this.db.query<ConsumerState>(
      `select c.name, c.failures, coalesce(extract(epoch from clock_timestamp() - (
                select e.at from event e where (e.xid, e.id) > (c.xid, c.id) and e.type = any(c.types)
                 order by e.xid, e.id limit 1))::float8, 0) as "lagSeconds"
         from event_consumer c`,
    );
  }
}
