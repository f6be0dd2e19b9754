import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Audits of captured sessions: jobs while they run, reports afterwards. */
export class CreateSessionAudits1700000015000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table session_audit');
  }
}

const STATEMENTS = [
  // judge: the rules, the installation's model, or one that its user named (whose key is kept until the audit ends).
  `create table session_audit (
    id text primary key check (id ~ '^aud_[0-9a-f]{16}$'),
    session_uid uuid not null references captured_session (uid) on delete cascade,
    version_id bigint references session_version (id) on delete set null,
    etag text not null,
    requested_by uuid references app_user (id) on delete set null,
    trigger text not null check (trigger in ('manual', 'on_sync')),
    judge text not null check (judge in ('rules', 'installation', 'own')),
    model text not null,
    provider text not null,
    base_url text,
    sealed_key bytea,
    state text not null default 'queued' check (state in ('queued', 'running', 'completed', 'failed')),
    attempt integer not null default 0,
    run_after timestamptz not null,
    owner uuid,
    lease_until timestamptz,
    windows_done integer not null default 0,
    windows_total integer not null default 0,
    input_tokens bigint not null default 0,
    output_tokens bigint not null default 0,
    failure jsonb,
    report jsonb,
    total_claims integer,
    verified integer,
    unverified integer,
    hallucinations integer,
    trust_score double precision,
    execution_time_ms integer,
    created_at timestamptz not null,
    started_at timestamptz,
    finished_at timestamptz,
    check ((state = 'running') = (lease_until is not null)),
    check ((state = 'completed') = (report is not null)),
    check ((state = 'failed') = (failure is not null)),
    check (state in ('queued', 'running') or sealed_key is null)
  )`,
  `create unique index session_audit_one_at_a_time on session_audit (session_uid) where state in ('queued', 'running')`,
  `create index session_audit_in_order on session_audit (session_uid, created_at desc, id desc)`,
  `create index session_audit_of_version on session_audit (version_id)`,
  `create index session_audit_unfinished on session_audit (run_after) where state in ('queued', 'running')`,
];
