import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What clients push by themselves, and what organisations want looked for in what is pushed. */
export class CreateAutosyncAndDlp1700000017000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop index captured_session_dlp');
    await runner.query('drop table sync_setting, sync_watch, dlp_policy');
  }
}

const STATEMENTS = [
  `create table sync_setting (
    account_id uuid not null references account (id) on delete cascade,
    user_id uuid not null references app_user (id) on delete cascade,
    mode text not null check (mode in ('off', 'all', 'selective')),
    debounce_seconds integer not null check (debounce_seconds between 5 and 300),
    primary key (account_id, user_id)
  )`,
  // No foreign key to the session: what is watched may not have been pushed yet, or be purged and pushed again.
  `create table sync_watch (
    account_id uuid not null references account (id) on delete cascade,
    user_id uuid not null references app_user (id) on delete cascade,
    session_id text not null check (session_id ~ '^ses_[a-z0-9]{8,40}$'),
    ordinal bigint generated always as identity,
    status text not null default 'pending' check (status in ('pending', 'queued', 'synced', 'failed')),
    last_synced_at timestamptz,
    primary key (account_id, user_id, session_id)
  )`,
  `create index sync_watch_in_order on sync_watch (account_id, user_id, ordinal desc)`,
  `create table dlp_policy (
    org_id text primary key references organisation (id) on delete cascade,
    enabled boolean not null,
    mode text not null check (mode in ('warn', 'redact', 'block')),
    categories text[] not null check (categories <> '{}' and categories <@ array['secrets', 'phi']),
    custom_patterns jsonb not null,
    allowlist text[] not null
  )`,
  `create index captured_session_dlp
     on captured_session ((dlp_scan_results->>'org_id'), (dlp_scan_results->>'action_taken'))
    where dlp_scan_results is not null and deleted_at is null`,
];
