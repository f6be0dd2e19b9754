import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What people set for their sessions, the summaries, and the calls of language models. */
export class CreateSessionSettings1700000014000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop index captured_session_of_owner');
    await runner.query(
      'drop table model_job, session_summary, session_settings, judge_settings, gitlab_settings, github_installation',
    );
  }
}

const STATEMENTS = [
  `create table session_settings (
    user_id uuid primary key references app_user (id) on delete cascade,
    audit_trigger text not null default 'manual' check (audit_trigger in ('manual', 'on_sync', 'on_pr')),
    summarize_trigger text not null default 'manual' check (summarize_trigger in ('manual', 'on_sync', 'on_pr'))
  )`,
  `create table judge_settings (
    user_id uuid primary key references app_user (id) on delete cascade,
    provider text not null,
    model text not null,
    base_url text,
    sealed_key bytea,
    updated_at timestamptz not null
  )`,
  `create table gitlab_settings (
    user_id uuid primary key references app_user (id) on delete cascade,
    instance_url text not null,
    sealed_token bytea not null,
    sealed_webhook_secret bytea not null,
    updated_at timestamptz not null
  )`,
  // Rows come from GitHub's webhook; user_id is null until somebody claims the installation.
  `create table github_installation (
    id bigint primary key,
    account_login text not null,
    account_type text not null,
    user_id uuid references app_user (id) on delete set null,
    auto_comment boolean not null default true,
    include_trust_score boolean not null default true,
    include_session_links boolean not null default true,
    created_at timestamptz not null,
    claimed_at timestamptz
  )`,
  `create index github_installation_by_user on github_installation (user_id, claimed_at) where user_id is not null`,
  // The summary is of version_id; the narrative may be of an older version until it is refreshed.
  `create table session_summary (
    session_uid uuid primary key references captured_session (uid) on delete cascade,
    version_id bigint not null,
    summary jsonb not null,
    summarized_at timestamptz not null,
    narrative jsonb,
    narrative_model text,
    narrative_version_id bigint,
    narrated_at timestamptz,
    narrative_problem jsonb
  )`,
  `create index captured_session_of_owner on captured_session (account_id, user_id, created_at desc, uid desc)
    where deleted_at is null`,
  // BullMQ carries ids of these rows and nothing else: what it loses is put in line again from here.
  `create table model_job (
    id uuid primary key,
    kind text not null,
    session_uid uuid not null references captured_session (uid) on delete cascade,
    user_id uuid not null references app_user (id),
    state text not null default 'queued' check (state in ('queued', 'running', 'done', 'failed')),
    input jsonb not null,
    attempts integer not null default 0,
    problem jsonb,
    requested_at timestamptz not null default now(),
    started_at timestamptz,
    finished_at timestamptz,
    lease_until timestamptz
  )`,
  // One runs, and one may wait for what has changed since.
  `create unique index model_job_waiting on model_job (session_uid, kind) where state = 'queued'`,
  `create unique index model_job_running on model_job (session_uid, kind) where state = 'running'`,
  `create index model_job_finished on model_job (finished_at) where finished_at is not null`,
];
