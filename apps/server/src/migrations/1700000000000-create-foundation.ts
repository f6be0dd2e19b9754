import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Accounts, keys, pinned sessions, events, audit, idempotency, usage and git repositories. */
export class CreateFoundation1700000000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of [...ACCOUNTS, ...RECORDS, ...REPOSITORIES]) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`drop table if exists pinned_session_write, pinned_session, ref_sync, ref, repo, usage_daily,
      rate_count, idempotency, audit, event_consumer, event, revocation, api_key, app_user, account_slug, account cascade`);
  }
}

const ACCOUNTS = [
  `create table account (
    id uuid primary key,
    kind text not null check (kind in ('personal', 'organisation')),
    slug text not null unique,
    tier text not null check (tier in ('free', 'starter', 'pro', 'team', 'enterprise')),
    created_at timestamptz not null default now(),
    closed_at timestamptz
  )`,
  // Every name an account has or had: a former one still leads to its account and never goes to another.
  `create table account_slug (
    slug text primary key,
    account_id uuid not null references account (id),
    claimed_at timestamptz not null default now(),
    unique (account_id, slug)
  )`,
  `alter table account add constraint account_slug_claimed
    foreign key (id, slug) references account_slug (account_id, slug)`,
  `create table app_user (
    id uuid primary key,
    account_id uuid not null unique references account (id),
    email text not null unique,
    email_verified boolean not null default false,
    display_name text,
    is_admin boolean not null default false,
    is_active boolean not null default true,
    created_at timestamptz not null default now()
  )`,
  `create table api_key (
    id uuid primary key,
    kind text not null check (kind in ('user_key', 'service_key', 'repo_token')),
    user_id uuid not null references app_user (id),
    account_id uuid not null references account (id),
    name text,
    prefix text not null,
    digest bytea not null unique,
    scopes text[] not null,
    project_ids text[],
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    revoke_reason text,
    last_used_at timestamptz,
    last_used_ip text
  )`,
  `create index api_key_by_user on api_key (user_id, created_at desc)`,
  `create table revocation (
    seq bigint generated always as identity primary key,
    kind text not null check (kind in ('key', 'user', 'account', 'pinned_session')),
    subject_id text not null,
    at timestamptz not null default now()
  )`,
  `create index revocation_by_time on revocation (at)`,
  // The id clients hold is a credential: only its digest is kept, as with keys. Scopes and tier are those of the opening.
  `create table pinned_session (
    id uuid primary key,
    digest bytea not null unique,
    key_id uuid not null references api_key (id),
    user_id uuid not null references app_user (id),
    account_id uuid not null references account (id),
    scopes text[] not null,
    tier text not null,
    ttl_seconds integer not null check (ttl_seconds > 0),
    idle_extend boolean not null,
    created_at timestamptz not null,
    last_activity_at timestamptz not null,
    expires_at timestamptz not null,
    ended_at timestamptz,
    end_reason text,
    check ((ended_at is null) = (end_reason is null))
  )`,
  `create index pinned_session_by_key on pinned_session (key_id) where ended_at is null`,
  `create index pinned_session_live on pinned_session (expires_at) where ended_at is null`,
  `create index pinned_session_ended on pinned_session (ended_at) where ended_at is not null`,
  // Appended only, without a key on repo: a row lock here would wait in line with those of the refs being written.
  `create table pinned_session_write (
    id bigint generated always as identity primary key,
    session_id uuid not null references pinned_session (id) on delete cascade,
    repo_id text not null,
    objects integer not null,
    refs integer not null
  )`,
  `create index pinned_session_write_by_session on pinned_session_write (session_id)`,
];

const RECORDS = [
  `create table event (
    id bigint generated always as identity primary key,
    xid xid8 not null default pg_current_xact_id(),
    type text not null,
    account_id uuid,
    subject_kind text not null,
    subject_id text not null,
    payload jsonb not null default '{}',
    at timestamptz not null default clock_timestamp()
  )`,
  `create index event_in_order on event (xid, id)`,
  `create index event_by_account on event (account_id, id desc)`,
  // (xid, id): everything up to it is handled. `cluster` is the database server whose transaction ids these are.
  `create table event_consumer (
    name text primary key,
    types text[] not null,
    cluster text not null,
    xid xid8 not null,
    id bigint not null,
    lease_owner uuid,
    lease_until timestamptz,
    failures integer not null default 0,
    last_error text,
    retry_at timestamptz not null default '-infinity'
  )`,
  `create table audit (
    id bigint generated always as identity primary key,
    xid xid8 not null default pg_current_xact_id(),
    account_id uuid,
    actor_kind text not null,
    actor_user_id uuid,
    actor_key_id uuid,
    action text not null,
    subject_kind text not null,
    subject_id text not null,
    facts jsonb not null default '{}',
    address text,
    request_id text,
    at timestamptz not null default clock_timestamp()
  )`,
  `create index audit_in_order on audit (xid, id)`,
  `create index audit_by_account on audit (account_id, id desc)`,
  `create table idempotency (
    account_id uuid not null,
    principal_id uuid not null,
    key text not null,
    request_hash bytea not null,
    owner uuid not null,
    lease_until timestamptz not null,
    finished_at timestamptz,
    status integer,
    body bytea,
    sealed boolean not null default false,
    created_at timestamptz not null default now(),
    primary key (account_id, principal_id, key)
  )`,
  `create index idempotency_by_age on idempotency (created_at)`,
  // Unlogged: losing the counts of the last hour in a crash of the database is no harm, writing them twice would be.
  `create unlogged table rate_count (
    bucket text not null,
    length bigint not null,
    start bigint not null,
    hits bigint not null,
    primary key (bucket, length, start)
  )`,
  `create table usage_daily (
    account_id uuid not null references account (id),
    day date not null,
    event_type text not null,
    quantity bigint not null default 0,
    primary key (account_id, day, event_type)
  )`,
];

const REPOSITORIES = [
  `create table repo (
    id text primary key,
    storage_id uuid not null unique,
    account_id uuid not null references account (id),
    namespace text,
    slug text not null,
    description text,
    default_branch text not null,
    visibility text not null check (visibility in ('public', 'private')),
    is_template boolean not null default false,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
  )`,
  `create unique index repo_by_address on repo (account_id, coalesce(namespace, ''), slug)`,
  `create index repo_by_update on repo (account_id, updated_at desc, id desc)`,
  `create table ref (
    repo_id text not null references repo (id) on delete cascade,
    name text collate "C" not null,
    sha text not null check (sha ~ '^[0-9a-f]{40}$'),
    peeled text check (peeled ~ '^[0-9a-f]{40}$'),
    updated_at timestamptz not null default now(),
    primary key (repo_id, name)
  )`,
  `create table ref_sync (
    repo_id text primary key references repo (id) on delete cascade,
    version bigint not null default 1,
    head boolean not null default false,
    enqueued_at timestamptz not null default now()
  )`,
];
