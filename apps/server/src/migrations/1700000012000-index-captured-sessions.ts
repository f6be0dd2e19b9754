import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The search index over captured sessions. */
export class IndexCapturedSessions1700000012000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const statement of UNDO) await runner.query(statement);
  }
}

const STATEMENTS = [
  // Both are trusted: the owner of a database may create them.
  `create extension if not exists pg_trgm`,
  `create extension if not exists btree_gin`,
  // English stems, but no word is left out: "to be or not to be" can be searched for.
  `create text search dictionary session_stem (template = snowball, language = english)`,
  `create text search configuration session_text (copy = english)`,
  `alter text search configuration session_text
    alter mapping for asciiword, asciihword, hword_asciipart, word, hword, hword_part with session_stem`,
  // Generated, so that whoever changes a title, an alias or tags need not know that they are searched. The parts of code
  // in them are indexed too. PostgreSQL is told that this never changes; what it reads is only changed by migrations.
  `create function session_heading(title text, alias text, tags text[], id text) returns tsvector
    language sql immutable parallel safe
    return (
      with words as (select concat_ws(' ', title, alias, array_to_string(tags, ' '), id) as t)
      select to_tsvector('session_text', translate(t, '<>', '  ') || ' ' || regexp_replace(
               regexp_replace(t, '([[:lower:][:digit:]])([[:upper:]])', '\\1 \\2', 'g'), '[^[:alnum:]]+', ' ', 'g'))
        from words)`,
  `alter table captured_session add column heading tsvector not null
    generated always as (session_heading(title, alias, tags, id)) stored`,
  `create index captured_session_heading on captured_session using gin (account_id, heading)`,
  // Which version of a session is searched. Rows of other versions are on their way in or out.
  `create table session_index (
    session_uid uuid primary key references captured_session (uid) on delete cascade,
    version_id bigint not null,
    chunks integer not null,
    indexed_at timestamptz not null default now()
  )`,
  `create table session_chunk (
    session_uid uuid not null references captured_session (uid) on delete cascade,
    version_id bigint not null,
    ordinal integer not null,
    account_id uuid not null,
    first_message integer not null,
    last_message integer not null,
    text text not null,
    words tsvector not null,
    primary key (session_uid, version_id, ordinal)
  )`,
  // Texts and words lie beside the rows, which are read by the ten thousand to count hits.
  `alter table session_chunk set (toast_tuple_target = 128)`,
  // What is not sorted into an index yet is read by every search: little of it may wait.
  `create index session_chunk_words on session_chunk using gin (account_id, words) with (gin_pending_list_limit = 512)`,
  // Every word that an account's sessions have or had, as written: parts and beginnings of words are looked up here.
  `create table session_word (
    account_id uuid not null references account (id) on delete cascade,
    word text not null collate "C",
    primary key (account_id, word)
  )`,
  `create index session_word_parts on session_word using gin (account_id, word gin_trgm_ops)
    with (gin_pending_list_limit = 1024)`,
];

const UNDO = [
  `drop table session_word, session_chunk, session_index`,
  `alter table captured_session drop column heading`,
  `drop function session_heading`,
  `drop text search configuration session_text`,
  `drop text search dictionary session_stem`,
  `drop extension btree_gin`,
  `drop extension pg_trgm`,
];
