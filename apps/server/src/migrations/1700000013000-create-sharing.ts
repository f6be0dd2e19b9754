import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Share links, what they show, and bookmarks. */
export class CreateSharing1700000013000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table share_link, share_guess, shared_archive, bookmark, bookmark_folder');
  }
}

const STATEMENTS = [
  // The token itself is nowhere: who reads this table opens no link.
  `create table share_link (
    id uuid primary key,
    session_uid uuid not null references captured_session (uid) on delete cascade,
    token_digest text not null unique,
    password_hash text,
    created_by uuid not null references app_user (id),
    created_at timestamptz not null,
    expires_at timestamptz not null,
    revoked_at timestamptz,
    view_count bigint not null default 0,
    last_viewed_at timestamptz
  )`,
  `create index share_link_in_order on share_link (session_uid, created_at desc, id desc)`,
  // Wrong passwords of one link, or from one address, until the window ends.
  `create table share_guess (
    bucket text primary key,
    failures integer not null,
    window_ends timestamptz not null
  )`,
  `create index share_guess_by_end on share_guess (window_ends)`,
  // What strangers get of a version: made once per release, whose patterns know more secrets than the last one's.
  `create table shared_archive (
    version_id bigint primary key references session_version (id) on delete cascade,
    release text not null,
    digest text not null,
    bytes bigint not null
  )`,
  `create table bookmark_folder (
    id uuid primary key,
    account_id uuid not null references account (id) on delete cascade,
    user_id uuid not null references app_user (id) on delete cascade,
    name text not null,
    color text check (color ~ '^#[0-9a-fA-F]{6}$'),
    created_at timestamptz not null
  )`,
  `create index bookmark_folder_in_order on bookmark_folder (account_id, user_id, created_at, id)`,
  `create table bookmark (
    id uuid primary key,
    folder_id uuid not null references bookmark_folder (id) on delete cascade,
    session_uid uuid not null references captured_session (uid) on delete cascade,
    created_at timestamptz not null,
    constraint bookmark_once unique (folder_id, session_uid)
  )`,
  `create index bookmark_of_session on bookmark (session_uid)`,
  `create index bookmark_in_order on bookmark (folder_id, created_at desc, id desc)`,
];
