import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Skills of accounts, and which of them each sandbox was made with. */
export class CreateSkills1700000026000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table sandbox_skill, skill, skill_version');
  }
}

const STATEMENTS = [
  // What was uploaded once; its directory has its id and never changes. Kept while a skill or a session refers to it.
  `create table skill_version (
    id text primary key,
    account_id uuid not null references account (id),
    description text not null,
    files integer not null,
    total_bytes bigint not null,
    skill_md_bytes bigint not null,
    archive_digest text not null,
    created_at timestamptz not null
  )`,
  `create index skill_version_of_account on skill_version (account_id)`,
  `create table skill (
    account_id uuid not null references account (id),
    name text not null,
    version_id text not null references skill_version (id),
    created_at timestamptz not null,
    primary key (account_id, name)
  )`,
  `create index skill_by_version on skill (version_id)`,
  `create table sandbox_skill (
    sandbox_id text not null references sandbox (id) on delete cascade,
    name text not null,
    version_id text not null references skill_version (id),
    primary key (sandbox_id, name)
  )`,
  `create index sandbox_skill_by_version on sandbox_skill (version_id)`,
];
