import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';

export interface EventSubject {
  /** Tenant the event belongs to; null for platform events. */
  readonly accountId: string | null;
  /** What it is about, e.g. `repo`. */
  readonly kind: string;
  readonly id: string;
}

/** A recorded event as consumers read it: at least once, in (xid, id) order, idempotent by `id`. */
export interface RecordedEvent {
  readonly id: string;
  readonly xid: string;
  readonly type: string;
  readonly accountId: string | null;
  readonly subjectKind: string;
  readonly subjectId: string;
  readonly payload: Record<string, unknown>;
  readonly at: Date;
}

/** Position of a consumer: everything up to and including it was handled. */
export interface EventCursor {
  readonly xid: string;
  readonly id: string;
}

export const EVENTS_START: EventCursor = { xid: '0', id: '0' };

/** Appends to and reads the event log. `record` belongs into the transaction of the effect it reports. */
@Injectable()
export class Events {
  private readonly listeners: ((type: string) => void)[] = [];

  constructor(private readonly db: Database) {}

  /** Calls `listener` with the type of every event this process records, once it is committed. */
  onCommitted(listener: (type: string) => void): void {
    this.listeners.push(listener);
  }

  /** Type is `resource.happened`; the payload holds ids and facts, never secrets or file content. */
  async record(type: string, subject: EventSubject, payload: Record<string, unknown> = {}): Promise<void> {
    await this.db.append('event', {
      type,
      account_id: subject.accountId,
      subject_kind: subject.kind,
      subject_id: subject.id,
      payload,
    });
    for (const listener of this.listeners) await this.db.afterCommit(() => listener(type));
  }

  /** Several events of one type about one subject, in order. */
  async recordAll(type: string, subject: EventSubject, payloads: readonly Record<string, unknown>[]): Promise<void> {
    for (const payload of payloads) await this.record(type, subject, payload);
  }

  /**
   * The next events after `cursor`. Rows of transactions that are still open, or that began before one still open,
   * are held back, so that a reader can never step over a row that commits later.
   */
  readAfter(cursor: EventCursor, limit: number): Promise<RecordedEvent[]> {
    return this.db.query<RecordedEvent>(
      `select id, xid::text as xid, type, account_id as "accountId", subject_kind as "subjectKind",
              subject_id as "subjectId", payload, at
         from event
        where xid < pg_snapshot_xmin(pg_current_snapshot()) and (xid, id) > ($1::xid8, $2::bigint)
        order by event.xid, event.id
        limit $3`,
      [cursor.xid, cursor.id, limit],
    );
  }
}
