import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Content-addressed blobs and who holds them. */
export class CreateBlobs1700000010000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table blob_hold, blob');
  }
}

const STATEMENTS = [
  // wanted_at: when it was last put or released; what nobody holds goes a day after it.
  `create table blob (
    digest text primary key check (digest ~ '^[0-9a-f]{64}$'),
    bytes bigint not null check (bytes >= 0),
    created_at timestamptz not null default now(),
    wanted_at timestamptz not null default now()
  )`,
  `create index blob_by_wanted_at on blob (wanted_at)`,
  `create table blob_hold (
    kind text not null,
    owner_id text not null,
    digest text not null references blob (digest),
    held_at timestamptz not null default now(),
    primary key (kind, owner_id, digest)
  )`,
  `create index blob_hold_by_digest on blob_hold (digest)`,
];
