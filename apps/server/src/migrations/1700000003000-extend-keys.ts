import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Rotation of keys with a grace period, who made a service key, and the verification of addresses. */
export class ExtendKeys1700000003000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table email_verification');
    await runner.query('alter table pinned_session drop column successor_key_id');
    await runner.query('drop index api_key_of_organisation');
    await runner.query('alter table api_key drop column replaced_by, drop column created_by, drop column late_use_at');
  }
}

const STATEMENTS = [
  // revoked_at may lie ahead: a key that was replaced opens until then. replaced_by goes when a key is revoked for its
  // own sake, and then its pinned sessions end too.
  `alter table api_key
    add column replaced_by uuid references api_key (id),
    add column created_by uuid references app_user (id),
    add column late_use_at timestamptz`,
  `create index api_key_of_organisation on api_key (account_id, created_at desc) where kind = 'service_key'`,
  `alter table pinned_session add column successor_key_id uuid references api_key (id)`,
  // One row per user: a newer link puts the older one out of force.
  `create table email_verification (
    user_id uuid primary key references app_user (id) on delete cascade,
    email text not null,
    digest bytea not null unique,
    created_at timestamptz not null,
    expires_at timestamptz not null
  )`,
];
