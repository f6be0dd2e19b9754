import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Sandboxes on the level of an account, and what they begin with. */
export class CreateAccountSandboxes1700000028000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table account_home');
    await runner.query('drop index coding_session_by_creation_key, coding_session_on_account_level');
    await runner.query(
      'alter table coding_session drop column is_account_level, drop column creation_key, drop column creation_hash',
    );
  }
}

const STATEMENTS = [
  // `creation_key`: who made it with which Idempotency-Key; `creation_hash` is of what was asked for.
  `alter table coding_session add column is_account_level boolean not null default false,
    add column creation_key text, add column creation_hash text,
    add check ((creation_key is null) = (creation_hash is null))`,
  `create unique index coding_session_by_creation_key on coding_session (account_id, creation_key)
    where creation_key is not null`,
  `create index coding_session_on_account_level on coding_session (account_id) where is_account_level`,
  // The repository that was made for the account, and the snapshot its new sandboxes begin with.
  `create table account_home (
    account_id uuid primary key references account (id),
    repo_id text references repo (id) on delete set null,
    snapshot_url text,
    snapshot_digest text,
    snapshot_bytes bigint,
    snapshot_created_at timestamptz,
    check ((snapshot_url is null) = (snapshot_digest is null))
  )`,
  `create index account_home_by_repo on account_home (repo_id) where repo_id is not null`,
];
