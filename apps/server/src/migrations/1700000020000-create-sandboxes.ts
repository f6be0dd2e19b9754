import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Sandboxes with what each of their two surfaces knows of them, and the chats held in them. */
export class CreateSandboxes1700000020000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table chat_read, chat_message, chat, coding_session, agent_session, sandbox cascade');
  }
}

const STATEMENTS = [
  // The state is null for a coding session that left the archive and was not resumed yet. `destroying` hides a sandbox
  // from everybody; its row goes when nothing is left of it.
  `create table sandbox (
    id text primary key,
    surface text not null check (surface in ('agent', 'coding')),
    account_id uuid not null references account (id),
    user_id uuid not null references app_user (id),
    state text check (state in ('provisioning', 'active', 'hibernating', 'hibernated', 'restoring', 'archived', 'failed',
      'destroying')),
    version integer not null default 0,
    error text,
    lease_id text,
    lease_expires_at timestamptz,
    last_activity_at timestamptz,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    check (state is not null or surface = 'coding'),
    check ((lease_id is null) = (lease_expires_at is null))
  )`,
  `create index sandbox_of_account on sandbox (account_id, surface, created_at desc, id desc)
    where state is distinct from 'destroying'`,
  `create index sandbox_destroying on sandbox (updated_at) where state = 'destroying'`,
  // `ends_at` is when the session stops existing unless something happens first: for a persistent one, and while a
  // response is under way, the end of its ttl; else five minutes after the last response.
  `create table agent_session (
    sandbox_id text primary key references sandbox (id) on delete cascade,
    persistent boolean not null,
    ttl_seconds integer not null,
    ends_at timestamptz not null,
    metadata jsonb not null,
    file_access jsonb not null,
    model text,
    tools jsonb not null,
    instructions text not null default '',
    response_id text
  )`,
  `create index agent_session_ending on agent_session (ends_at)`,
  // `is_stopping`: archived, but what ran in it is not known to have ended yet.
  `create table coding_session (
    sandbox_id text primary key references sandbox (id) on delete cascade,
    account_id uuid not null,
    title text not null,
    status text not null check (status in ('running', 'completed', 'failed', 'archived')),
    artist_id uuid,
    org_id text,
    repo_owner text,
    repo_name text,
    branch text,
    clone_url text,
    base_commit text,
    is_new_branch boolean not null,
    is_stopping boolean not null default false,
    provider_state jsonb not null,
    expires_at timestamptz,
    hibernate_after timestamptz,
    lines_added integer not null default 0,
    lines_removed integer not null default 0,
    snapshot_url text,
    snapshot_created_at timestamptz,
    snapshot_bytes bigint,
    cached_diff jsonb,
    cached_diff_at timestamptz
  )`,
  `create index coding_session_by_title on coding_session (account_id, title)`,
  // Clients choose ids of chats and messages, so these are unique per account only.
  `create table chat (
    account_id uuid not null references account (id),
    id text not null,
    sandbox_id text not null references sandbox (id) on delete cascade,
    title text not null,
    model_id text,
    active_stream_id text,
    last_assistant_message_at timestamptz,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (account_id, id)
  )`,
  `create index chat_of_sandbox on chat (sandbox_id, created_at, id)`,
  `create table chat_message (
    account_id uuid not null,
    id text not null,
    chat_id text not null,
    role text not null check (role in ('user', 'assistant')),
    message jsonb not null,
    created_at timestamptz not null,
    primary key (account_id, id),
    foreign key (account_id, chat_id) references chat (account_id, id) on delete cascade
  )`,
  `create index chat_message_in_order on chat_message (account_id, chat_id, created_at, id)`,
  `create table chat_read (
    user_id uuid not null references app_user (id),
    account_id uuid not null,
    chat_id text not null,
    read_at timestamptz not null,
    primary key (user_id, account_id, chat_id),
    foreign key (account_id, chat_id) references chat (account_id, id) on delete cascade
  )`,
];
