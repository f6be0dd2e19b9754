import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Sessions handed to other people: the handoffs, their comments and their history. */
export class CreateHandoffs1700000016000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table handoff_event, handoff_comment, handoff');
    await runner.query('alter table session_version drop column manifest_session_id');
    await runner.query('alter table captured_session drop column lineage_is_set');
  }
}

const STATEMENTS = [
  // A handoff outlives its session, which may be purged: what its parties are shown is a snapshot. Its id is the key to
  // its public summary, hence 131 random bits. Exactly one recipient; a team's handoffs are orphaned when it is deleted.
  `create table handoff (
    id text primary key check (id ~ '^hnd_[0-9A-Za-z]{22}$'),
    account_id uuid not null references account (id) on delete cascade,
    sender_id uuid not null references app_user (id),
    session_uid uuid references captured_session (uid) on delete set null,
    session_id text not null,
    project_id text,
    kind text not null check (kind in ('individual', 'team')),
    recipient_email text,
    recipient_user_id uuid references app_user (id),
    recipient_team_id text references team (id) on delete set null,
    message text,
    session_title text,
    session_tool text not null,
    session_model_id text,
    session_message_count integer not null,
    session_total_tokens bigint not null,
    sender_tier text not null,
    status text not null default 'pending' check (status in ('pending', 'claimed', 'revoked', 'declined', 'expired')),
    created_at timestamptz not null,
    expires_at timestamptz not null,
    viewed_at timestamptz,
    claimed_at timestamptz,
    claimed_by uuid references app_user (id),
    recipient_session_id text,
    revoked_at timestamptz,
    revoked_by uuid references app_user (id),
    revoke_reason text,
    check (num_nonnulls(recipient_email, recipient_user_id) = (case kind when 'team' then 0 else 1 end)),
    check (kind = 'team' or recipient_team_id is null),
    check ((status = 'claimed') = (claimed_at is not null and claimed_by is not null)),
    check ((status = 'revoked') = (revoked_at is not null))
  )`,
  `create index handoff_sent on handoff (sender_id, account_id, created_at desc, id desc)`,
  `create index handoff_to_user on handoff (recipient_user_id, created_at desc, id desc) where recipient_user_id is not null`,
  `create index handoff_to_email on handoff (recipient_email, created_at desc, id desc) where recipient_email is not null`,
  `create index handoff_to_team on handoff (recipient_team_id, created_at desc, id desc) where recipient_team_id is not null`,
  `create index handoff_of_session on handoff (session_uid) where session_uid is not null`,
  `create index handoff_of_account on handoff (account_id)`,
  `create index handoff_due on handoff (expires_at) where status = 'pending'`,
  `create table handoff_comment (
    seq bigint generated always as identity primary key,
    id text not null unique,
    handoff_id text not null references handoff (id) on delete cascade,
    author_id uuid not null references app_user (id),
    content text not null,
    created_at timestamptz not null
  )`,
  `create index handoff_comment_in_order on handoff_comment (handoff_id, seq)`,
  `create table handoff_event (
    id bigint generated always as identity primary key,
    handoff_id text not null references handoff (id) on delete cascade,
    type text not null,
    actor_user_id uuid,
    actor_type text check (actor_type in ('user', 'service_key')),
    service_key_id uuid,
    service_key_name text,
    payload jsonb not null,
    created_at timestamptz not null
  )`,
  `create index handoff_event_in_order on handoff_event (handoff_id, id)`,
  // A claimed session shares its archive with the sender's: its manifest is made to name this session as it is sent.
  `alter table session_version add column manifest_session_id text`,
  // What the archives of a claimed session say of its origin does not count: it comes from the handed one.
  `alter table captured_session add column lineage_is_set boolean not null default false`,
];
