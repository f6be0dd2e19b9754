import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Which commands of a sandbox are servers that a browser is shown. */
export class CreatePreviews1700000029000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table sandbox_preview');
  }
}

const STATEMENTS = [
  // It is there as long as its command runs.
  `create table sandbox_preview (
    sandbox_id text not null references sandbox (id) on delete cascade,
    kind text not null check (kind in ('dev-server', 'code-editor')),
    execution_id text not null unique references execution (id) on delete cascade,
    package_path text,
    port integer not null,
    primary key (sandbox_id, kind)
  )`,
];
