import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Entitlements, subscriptions, what payment providers told us, and the bytes accounts store. */
export class CreateBilling1700000004000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table storage_change, stored_item, account_storage');
    await runner.query('drop table billing_event, subscription, billing_customer, entitlement');
  }
}

const TIERS = `('free', 'starter', 'pro', 'team', 'enterprise')`;

const STATEMENTS = [
  // Why an account has the tier that account.tier says; written together. An account without one has its first tier.
  `create table entitlement (
    id bigint generated always as identity primary key,
    account_id uuid not null references account (id),
    tier text not null check (tier in ${TIERS}),
    source text not null check (source in ('admin', 'stripe')),
    source_ref text,
    expires_at timestamptz,
    created_at timestamptz not null default now(),
    ended_at timestamptz,
    end_reason text,
    check ((ended_at is null) = (end_reason is null)),
    check ((source = 'stripe') = (source_ref is not null))
  )`,
  `create unique index entitlement_active on entitlement (account_id) where ended_at is null`,
  `create index entitlement_expiry on entitlement (expires_at) where ended_at is null`,
  `create index entitlement_by_account on entitlement (account_id, id desc)`,
  `create table billing_customer (
    account_id uuid primary key references account (id),
    customer_id text not null unique,
    created_at timestamptz not null default now()
  )`,
  // What the provider last said of a subscription. `told_at` orders what it says: it does not deliver in order.
  `create table subscription (
    id text primary key,
    account_id uuid not null references account (id),
    customer_id text not null,
    tier text not null check (tier in ${TIERS}),
    status text not null,
    seats integer not null check (seats >= 0),
    current_period_end timestamptz,
    told_at timestamptz not null,
    ended_at timestamptz,
    created_at timestamptz not null default now()
  )`,
  `create index subscription_live on subscription (account_id) where ended_at is null`,
  // One row per delivered event, in the transaction of its effect: what is here was done, what is not was not.
  `create table billing_event (
    id text primary key,
    type text not null,
    created_at timestamptz not null,
    handled_at timestamptz not null default now()
  )`,
  `create table account_storage (
    account_id uuid primary key references account (id),
    bytes bigint not null
  )`,
  // Bytes per thing that is stored (\`repo:<id>\`), so that deleting it gives them back.
  `create table stored_item (
    item text primary key,
    account_id uuid not null references account (id),
    bytes bigint not null
  )`,
  // Appended by writers, folded into the two tables above every few seconds: nobody waits for a counter's row. No key
  // and no index, because nothing looks for a row, all of them are read.
  `create table storage_change (
    account_id uuid not null,
    item text not null,
    account_bytes bigint not null,
    item_bytes bigint not null
  )`,
];
