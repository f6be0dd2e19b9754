import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Commands that run or ran in sandboxes. */
export class CreateExecutions1700000021000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table execution');
  }
}

const STATEMENTS = [
  // A command runs in the process that holds its lease; when that has run out, both are gone. `facts` is how it ended,
  // null when nobody knows. What it printed is in a file.
  `create table execution (
    id text primary key,
    sandbox_id text not null references sandbox (id) on delete cascade,
    argv jsonb not null,
    cwd text not null,
    is_background boolean not null,
    timeout_seconds integer not null,
    idempotency_key text,
    request_hash text,
    facts jsonb,
    error text,
    output_bytes bigint not null default 0,
    is_cancel_requested boolean not null default false,
    lease_owner text not null,
    lease_expires_at timestamptz not null,
    started_at timestamptz not null,
    ended_at timestamptz,
    check (ended_at is not null or (facts is null and error is null)),
    check ((idempotency_key is null) = (request_hash is null))
  )`,
  `create index execution_of_sandbox on execution (sandbox_id, started_at desc, id desc)`,
  `create unique index execution_by_key on execution (sandbox_id, idempotency_key) where idempotency_key is not null`,
  `create index execution_running on execution (lease_owner) where ended_at is null`,
];
