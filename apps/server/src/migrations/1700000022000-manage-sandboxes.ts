import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What the lifecycle of sandboxes looks for, and what it leaves behind. */
export class ManageSandboxes1700000022000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table sandbox_remains');
    await runner.query(
      'drop index sandbox_leased, coding_session_idle, coding_session_expiring, coding_session_stopping',
    );
    await runner.query('alter table coding_session drop column snapshot_digest');
  }
}

const STATEMENTS = [
  `alter table coding_session add column snapshot_digest text`,
  `create index sandbox_leased on sandbox (lease_expires_at) where lease_expires_at is not null`,
  `create index coding_session_idle on coding_session (hibernate_after) where hibernate_after is not null`,
  `create index coding_session_expiring on coding_session (expires_at) where expires_at is not null`,
  `create index coding_session_stopping on coding_session (sandbox_id) where is_stopping`,
  // Directories of sandboxes that are gone. No foreign keys: they outlive what they belonged to.
  `create table sandbox_remains (
    sandbox_id text primary key,
    account_id uuid not null,
    remove_after timestamptz not null,
    is_removed boolean not null default false
  )`,
  `create index sandbox_remains_due on sandbox_remains (remove_after)`,
];
