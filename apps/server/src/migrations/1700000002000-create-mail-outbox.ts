import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Mail that was promised in a transaction and is delivered after it. */
export class CreateMailOutbox1700000002000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table mail');
  }
}

const STATEMENTS = [
  // Facts may hold a one-time secret, so they live exactly as long as the mail is to be sent. A try takes a lease by
  // moving next_try_at; attempts tells its holder from a later one.
  `create table mail (
    id uuid primary key,
    recipient text not null,
    template text not null,
    origin text,
    facts jsonb,
    created_at timestamptz not null default now(),
    next_try_at timestamptz default now(),
    attempts integer not null default 0,
    sent_at timestamptz,
    sent_by text check (sent_by in ('smtp', 'file')),
    failed_at timestamptz,
    last_error text,
    check ((facts is null) = (next_try_at is null)),
    check (num_nonnulls(next_try_at, sent_at, failed_at) = 1),
    check ((sent_at is null) = (sent_by is null))
  )`,
  `create index mail_due on mail (next_try_at) where next_try_at is not null`,
  `create index mail_failed on mail (failed_at) where failed_at is not null`,
  `create index mail_by_recipient on mail (recipient, template, created_at)`,
  `create index mail_by_origin on mail (origin, template, created_at) where origin is not null`,
  `create index mail_by_age on mail (created_at)`,
];
