import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import type { MailFacts, MailTemplate } from './templates/templates.js';

/** How long a try keeps other nodes from the mail. Longer than a try may last. */
const LEASE_SECONDS = 300;
const KEPT = '30 days';
const SWEEP_SIZE = 1_000;

export interface NewMail {
  readonly id: string;
  readonly recipient: string;
  readonly template: MailTemplate;
  readonly facts: MailFacts[MailTemplate];
  /** On whose behalf it is sent, for limits. */
  readonly origin: string | null;
}

/** A mail whose try this process holds. */
export interface ClaimedMail {
  readonly id: string;
  readonly recipient: string;
  readonly template: MailTemplate;
  readonly facts: MailFacts[MailTemplate];
  readonly createdAt: Date;
  /** This one included; what tells it from a later holder's. */
  readonly attempts: number;
}

export interface MailDelivery {
  readonly id: string;
  readonly state: 'waiting' | 'sent' | 'failed';
  /** How it was sent; null until then. */
  readonly sentBy: 'smtp' | 'file' | null;
  readonly lastError: string | null;
}

export interface MailCounts {
  readonly waiting: number;
  readonly failed: number;
  readonly oldestSeconds: number;
}

/** Mails of the last hour, and the seconds until the oldest of them is an hour old. */
interface RecentMail {
  readonly count: number;
  readonly seconds: number;
}

/** Every query on outgoing mail. Times are the database's, which all nodes share. */
@Injectable()
export class MailOutboxRepository {
  constructor(private readonly db: Database) {}

  async insert(mail: NewMail): Promise<void> {
    await this.db.query('insert into mail (id, recipient, template, facts, origin) values ($1, $2, $3, $4, $5)', [
      mail.id,
      mail.recipient,
      mail.template,
      JSON.stringify(mail.facts),
      mail.origin,
    ]);
  }

  /** Takes mails that are due, for one try each; rows that another node is taking are passed over. */
  claim(limit: number): Promise<ClaimedMail[]> {
    return this.db.query<ClaimedMail>(
      `update mail set attempts = attempts + 1, next_try_at = now() + make_interval(secs => $2)
        where id in (select id from mail where next_try_at <= now() order by next_try_at limit $1 for update skip locked)
        returning id, recipient, template, facts, created_at as "createdAt", attempts`,
      [limit, LEASE_SECONDS],
    );
  }

  async markSent({ id, attempts }: ClaimedMail, sentBy: 'smtp' | 'file'): Promise<void> {
    await this.db.query(
      `update mail set sent_at = now(), sent_by = $3, facts = null, next_try_at = null
        where id = $1 and attempts = $2 and next_try_at is not null`,
      [id, attempts, sentBy],
    );
  }

  async markFailed({ id, attempts }: ClaimedMail, reason: string): Promise<void> {
    await this.db.query(
      `update mail set failed_at = now(), last_error = $3, facts = null, next_try_at = null
        where id = $1 and attempts = $2 and next_try_at is not null`,
      [id, attempts, reason],
    );
  }

  async tryLater({ id, attempts }: ClaimedMail, seconds: number, reason: string): Promise<void> {
    await this.db.query(
      `update mail set next_try_at = now() + make_interval(secs => $3), last_error = $4
        where id = $1 and attempts = $2 and next_try_at is not null`,
      [id, attempts, seconds, reason],
    );
  }

  find(ids: readonly string[]): Promise<MailDelivery[]> {
    return this.db.query<MailDelivery>(
      `select id, sent_by as "sentBy", last_error as "lastError",
              case when sent_at is not null then 'sent' when failed_at is not null then 'failed' else 'waiting' end as state
         from mail where id = any($1::uuid[])`,
      [ids],
    );
  }

  /** Removes a mail that is neither sent nor failed. */
  async remove(id: string): Promise<void> {
    await this.db.query('delete from mail where id = $1 and next_try_at is not null', [id]);
  }

  /** Mails of a kind to an address in the last hour. */
  recentTo(recipient: string, template: MailTemplate): Promise<RecentMail> {
    return this.recent('recipient = $1', recipient, template);
  }

  /** Mails of a kind on somebody's behalf in the last hour. */
  recentFrom(origin: string, template: MailTemplate): Promise<RecentMail> {
    return this.recent('origin = $1', origin, template);
  }

  async counts(): Promise<MailCounts> {
    const [row] = await this.db.query<MailCounts>(
      `select (select count(*)::int from mail where next_try_at is not null) as waiting,
              (select count(*)::int from mail where failed_at is not null) as failed,
              (select coalesce(extract(epoch from now() - min(created_at)), 0)::float8
                 from mail where next_try_at is not null) as "oldestSeconds"`,
    );
    return row ?? { waiting: 0, failed: 0, oldestSeconds: 0 };
  }

  /** Removes what was settled long ago; answers how many. */
  async sweep(): Promise<number> {
    const rows = await this.db.query(
      `delete from mail where id in
         (select id from mail where created_at < now() - $1::interval and next_try_at is null limit $2) returning 1`,
      [KEPT, SWEEP_SIZE],
    );
    return rows.length;
  }

  private async recent(condition: string, value: string, template: MailTemplate): Promise<RecentMail> {
    const [row] = await this.db.query<RecentMail>(
      `select count(*)::int as count,
              coalesce(ceil(extract(epoch from min(created_at) + interval '1 hour' - now())), 0)::int as seconds
         from mail where ${condition} and template = $2 and created_at > now() - interval '1 hour'`,
      [value, template],
    );
    return row ?? { count: 0, seconds: 0 };
  }
}
