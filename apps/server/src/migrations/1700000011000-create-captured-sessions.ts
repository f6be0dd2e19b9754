import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Captured sessions and the versions they were pushed in. */
export class CreateCapturedSessions1700000011000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table captured_session, session_version cascade');
  }
}

const STATEMENTS = [
  // `id` is the client's and means something to its owner only: tools derive it from what two people may share.
  `create table captured_session (
    uid uuid primary key,
    id text not null check (id ~ '^ses_[a-z0-9]{8,40}$'),
    account_id uuid not null references account (id),
    user_id uuid not null references app_user (id),
    visibility text not null default 'private' check (visibility in ('private', 'org')),
    title text,
    title_is_set boolean not null default false,
    alias text,
    tags text[] not null default '{}',
    tags_are_set boolean not null default false,
    source_tool text not null,
    source_tool_version text,
    original_session_id text,
    model_provider text,
    model_id text,
    message_count integer not null default 0,
    turn_count integer not null default 0,
    tool_use_count integer not null default 0,
    total_input_tokens bigint not null default 0,
    total_output_tokens bigint not null default 0,
    duration_ms bigint,
    parent_session_id text,
    persona_name text,
    ticket_id text,
    retrieval_audit_id text,
    rules_source text not null default 'none',
    rules_version text,
    rules_hash text,
    instruction_artifacts jsonb not null default '[]',
    git_remote text,
    git_branch text,
    git_commit text,
    git_commits text[] not null default '{}',
    dlp_scan_results jsonb,
    version_id bigint not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    uploaded_at timestamptz not null,
    deleted_at timestamptz,
    deleted_by text,
    delete_scope text check (delete_scope in ('cloud', 'both')),
    purge_after timestamptz,
    unique (account_id, user_id, id),
    check ((deleted_at is null) = (purge_after is null))
  )`,
  // A session in the trash gives its alias free; restoring it gives the alias back only if nobody took it.
  `create unique index captured_session_alias on captured_session (account_id, user_id, alias)
    where deleted_at is null and alias is not null`,
  `create index captured_session_by_update on captured_session (account_id, user_id, updated_at desc, uid desc)`,
  `create index captured_session_of_org on captured_session (account_id, updated_at desc, uid desc)
    where visibility = 'org' and deleted_at is null`,
  `create index captured_session_purge on captured_session (purge_after) where purge_after is not null`,
  // Every accepted push. The newest is what the session shows; a branch is what a lossy push overwrote.
  `create table session_version (
    id bigint generated always as identity primary key,
    session_uid uuid not null references captured_session (uid) on delete cascade deferrable initially deferred,
    etag text not null,
    content_hash text not null,
    archive_digest text not null,
    archive_bytes bigint not null,
    messages_digest text,
    messages_index jsonb not null,
    bad_line_count integer not null default 0,
    problems jsonb not null default '[]',
    workspace jsonb,
    tools jsonb,
    is_branch boolean not null default false,
    pushed_by_key uuid,
    client_device text,
    created_at timestamptz not null
  )`,
  `create index session_version_by_etag on session_version (session_uid, etag)`,
  `create index session_version_in_order on session_version (session_uid, id desc)`,
  `alter table captured_session add foreign key (version_id) references session_version (id)
    deferrable initially deferred`,
];
