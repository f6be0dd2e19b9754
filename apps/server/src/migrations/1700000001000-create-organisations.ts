import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Organisations, their members, invites, teams and owner transfers (sessionfs-2.md §14). */
export class CreateOrganisations1700000001000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table app_user drop column default_org_id');
    await runner.query('drop table owner_transfer, team_member, team, org_invite, org_member, organisation');
  }
}

const STATEMENTS = [
  // The id is the wire's `org_…`; what an organisation owns hangs on its account, like that of a person.
  `create table organisation (
    id text primary key,
    account_id uuid not null unique references account (id),
    name text not null,
    seats_limit integer not null check (seats_limit >= 0),
    storage_limit_bytes bigint not null default 0 check (storage_limit_bytes >= 0),
    kb_retention_days integer,
    kb_max_context_words integer,
    kb_section_page_limit integer,
    created_at timestamptz not null default now()
  )`,
  `create table org_member (
    org_id text not null references organisation (id) on delete cascade,
    user_id uuid not null references app_user (id),
    role text not null check (role in ('member', 'admin', 'owner')),
    joined_at timestamptz not null default now(),
    primary key (org_id, user_id)
  )`,
  `create unique index org_member_owner on org_member (org_id) where role = 'owner'`,
  `create index org_member_by_user on org_member (user_id, joined_at)`,
  `create table org_invite (
    id text primary key,
    org_id text not null references organisation (id) on delete cascade,
    email text not null,
    role text not null check (role in ('member', 'admin')),
    invited_by uuid not null references app_user (id),
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    accepted_at timestamptz,
    declined_at timestamptz,
    decline_reason text,
    last_emailed_at timestamptz,
    mail_id uuid,
    token_digest bytea,
    unique (org_id, email)
  )`,
  `create index org_invite_by_email on org_invite (email, created_at desc)`,
  `create table team (
    id text primary key,
    org_id text not null references organisation (id) on delete cascade,
    name text not null,
    slug text not null,
    created_by uuid references app_user (id),
    created_at timestamptz not null default now(),
    unique (org_id, slug)
  )`,
  `create table team_member (
    team_id text not null references team (id) on delete cascade,
    user_id uuid not null references app_user (id),
    added_by uuid references app_user (id),
    added_at timestamptz not null default now(),
    primary key (team_id, user_id)
  )`,
  `create index team_member_by_user on team_member (user_id)`,
  `create table owner_transfer (
    id bigint generated always as identity primary key,
    org_id text not null references organisation (id) on delete cascade,
    from_user_id uuid not null references app_user (id),
    to_user_id uuid not null references app_user (id),
    status text not null check (status in ('pending', 'accepted', 'cancelled', 'expired')),
    created_at timestamptz not null default now(),
    expires_at timestamptz not null
  )`,
  `create unique index owner_transfer_pending on owner_transfer (org_id) where status = 'pending'`,
  `alter table app_user add column default_org_id text references organisation (id) on delete set null`,
];
