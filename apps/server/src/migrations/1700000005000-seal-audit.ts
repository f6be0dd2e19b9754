import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The chains over the audit log: a seal per row, a signed head per account, one signed ledger over all of them. */
export class SealAudit1700000005000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table audit_ledger, audit_head, audit_seal');
  }
}

const STATEMENTS = [
  // No foreign key to audit: a row that is gone must be noticed, not prevented from going. `signature` is there on the
  // last row of each batch.
  `create table audit_seal (
    chain uuid not null,
    seq bigint not null,
    audit_id bigint not null unique,
    hash bytea not null,
    signature bytea,
    primary key (chain, seq)
  )`,
  `create table audit_head (
    chain uuid primary key,
    seq bigint not null,
    hash bytea not null,
    signature bytea not null,
    at timestamptz not null default now()
  )`,
  // One row: what was looked at last, how many rows are sealed in all. `cluster` is the database server whose
  // transaction ids (xid, id) speak of; a dump restored elsewhere starts to count anew.
  `create table audit_ledger (
    only_row boolean primary key default true check (only_row),
    cluster text not null default '',
    xid xid8 not null default '0',
    id bigint not null default 0,
    sealed bigint not null default 0,
    signature bytea,
    at timestamptz not null default now()
  )`,
  `insert into audit_ledger default values`,
];
