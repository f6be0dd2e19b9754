import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Runs of agents with all that they told, the conversations they belong to, and what they ask of clients. */
export class CreateAgentRuns1700000023000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(
      'drop table agent_usage, agent_idempotency, agent_message, agent_tool_call, agent_run_event, agent_run',
    );
  }
}

const STATEMENTS = [
  // A run belongs to the process that holds its lease; when that has run out, whoever meets the run ends it.
  `create table agent_run (
    id text primary key,
    kind text not null,
    account_id uuid not null references account (id),
    user_id uuid not null references app_user (id),
    sandbox_id text references sandbox (id) on delete cascade,
    slot text not null,
    status text not null check (status in ('running', 'completed', 'cancelled', 'failed')),
    error text,
    next_seq integer not null,
    input_tokens bigint not null default 0,
    output_tokens bigint not null default 0,
    deadline_at timestamptz not null,
    cancel_requested_at timestamptz,
    lease_owner text,
    lease_expires_at timestamptz,
    created_at timestamptz not null,
    ended_at timestamptz,
    check ((status = 'running') = (ended_at is null)),
    check ((lease_owner is null) = (ended_at is not null))
  )`,
  `create unique index agent_run_one_per_slot on agent_run (slot) where ended_at is null`,
  `create index agent_run_under_way on agent_run (lease_expires_at) where ended_at is null`,
  `create index agent_run_of_account on agent_run (account_id, created_at)`,
  `create index agent_run_of_sandbox on agent_run (sandbox_id)`,
  `create index agent_run_without_sandbox on agent_run (created_at) where sandbox_id is null`,
  // json and not jsonb: what commands print may contain NUL.
  `create table agent_run_event (
    run_id text not null references agent_run (id) on delete cascade,
    seq integer not null,
    data json not null,
    primary key (run_id, seq)
  )`,
  `create table agent_tool_call (
    run_id text not null references agent_run (id) on delete cascade,
    id text not null,
    content json,
    is_error boolean not null default false,
    answered_at timestamptz,
    primary key (run_id, id)
  )`,
  `create table agent_message (
    sandbox_id text not null references sandbox (id) on delete cascade,
    position bigint generated always as identity,
    run_id text not null,
    message json not null,
    bytes integer not null,
    primary key (sandbox_id, position)
  )`,
  // Outlives the session: its key is not free again before 24 hours are over.
  `create table agent_idempotency (
    account_id uuid not null references account (id),
    principal_id text not null,
    key text not null,
    request_hash bytea not null,
    run_id text not null,
    created_at timestamptz not null,
    primary key (account_id, principal_id, key)
  )`,
  `create index agent_idempotency_by_age on agent_idempotency (created_at)`,
  // Per hour of the clock (UTC). Outlives the sessions: what was used stays used.
  `create table agent_usage (
    account_id uuid not null references account (id),
    bucket text not null check (bucket in ('session_turn', 'response')),
    hour timestamptz not null,
    turns integer not null default 0,
    tokens bigint not null default 0,
    primary key (account_id, bucket, hour)
  )`,
];
