import { Injectable } from '@nestjs/common';
import { Database } from '#platform';
import type { MessageIndex } from '../archive/message-log.js';

/** A session as the index needs it. */
export interface SearchableSession {
  readonly uid: string;
  readonly accountId: string;
  /** The one it shows. */
  readonly versionId: string;
  readonly messagesDigest: string | null;
  readonly messagesIndex: MessageIndex;
  /** The one that is searched; null when none is yet. */
  readonly indexedVersionId: string | null;
}

const DELETED_AT_ONCE = 500;

/** What is written to the search index. Rows of a version are not searched before `show`. */
@Injectable()
export class SearchIndexRepository {
  constructor(private readonly db: Database) {}

  async find(uid: string): Promise<SearchableSession | null> {
    const [row] = await this.db.query<SearchableSession>(
      `select s.uid, s.account_id as "accountId", s.version_id::text as "versionId",
              v.messages_digest as "messagesDigest", v.messages_index as "messagesIndex",
              i.version_id::text as "indexedVersionId"
         from captured_session s join session_version v on v.id = s.version_id
         left join session_index i on i.session_uid = s.uid
        where s.uid = $1`,
      [uid],
    );
    return row ?? null;
  }

  /**
   * `chunks` is a list of IndexedChunk in jsonb's binary form. Chunks that are there are left as they are, unless
   * `isAnew`: they are written by this version or by another's code.
   */
  async write(session: SearchableSession, chunks: Uint8Array, isAnew: boolean): Promise<void> {
    await this.db.query(
      `insert into session_chunk as old (session_uid, version_id, account_id, ordinal, first_message, last_message, text, words)
       select $1, $2, $3, c.ordinal, c."firstMessage", c."lastMessage", c.text,
              to_tsvector('session_text', translate(c.text, '<>', '  '))
                || array_to_tsvector(array(select jsonb_array_elements_text(c.identifiers)))
         from jsonb_to_recordset($4) as c(ordinal integer, "firstMessage" integer, "lastMessage" integer, text text,
                identifiers jsonb)
       on conflict (session_uid, version_id, ordinal) do update
         set first_message = excluded.first_message, last_message = excluded.last_message, text = excluded.text,
             words = excluded.words
       where $5`,
      [session.uid, session.versionId, session.accountId, bytesOf(chunks), isAnew],
    );
  }

  /**
   * `words` is a list in jsonb's binary form. In one order, so that two writers of the same words wait for each other in
   * one direction.
   */
  async writeWords(accountId: string, words: Uint8Array): Promise<void> {
    await this.db.query(
      `insert into session_word (account_id, word)
       select $1, w.word from jsonb_array_elements_text($2) as w(word)
        where not exists (select from session_word o where o.account_id = $1 and o.word = w.word)
        order by w.word collate "C"
       on conflict do nothing`,
      [accountId, bytesOf(words)],
    );
  }

  /** Searches find this version from now on, unless they find a newer one. */
  async show({ uid, versionId }: SearchableSession, chunks: number): Promise<void> {
    await this.db.query(
      `insert into session_index as i (session_uid, version_id, chunks) values ($1, $2, $3)
       on conflict (session_uid) do update
         set version_id = excluded.version_id, chunks = excluded.chunks, indexed_at = now()
       where i.version_id <= excluded.version_id`,
      [uid, versionId, chunks],
    );
  }

  /**
   * Removes words of which no session is left, among the `limit` after `after` in order. @returns where to go on, null at
   * the end
   */
  async forgetWords(after: readonly [string, string], limit: number): Promise<[string, string] | null> {
    const [last] = await this.db.query<{ accountId: string; word: string }>(
      `with looked as (
         select account_id, word from session_word where (account_id, word) > ($1::uuid, $2) order by 1, 2 limit $3
       ), removed as (
         delete from session_word w using looked l
          where w.account_id = l.account_id and w.word = l.word
            and not exists (select from session_chunk c where c.account_id = w.account_id and c.words @@ (
                  array_to_string(array(select '''' || replace(replace(x, '\\', '\\\\'), '''', '''''') || ''''
                    from unnest(w.word || tsvector_to_array(to_tsvector('session_text', w.word))) as x), ' | ')::tsquery))
       )
       select account_id as "accountId", word from looked order by 1 desc, 2 desc limit 1`,
      [...after, limit],
    );
    return last ? [last.accountId, last.word] : null;
  }

  /** Takes away what is no longer, or never was to be, searched. */
  async removeOthers(uid: string): Promise<void> {
    for (let removed = DELETED_AT_ONCE; removed === DELETED_AT_ONCE;) {
      const rows = await this.db.query(
        `delete from session_chunk where ctid = any(array(
           select c.ctid from session_chunk c join session_index i on i.session_uid = c.session_uid
            where c.session_uid = $1 and (c.version_id < i.version_id
              or (c.version_id = i.version_id and c.ordinal >= i.chunks)) limit ${DELETED_AT_ONCE})) returning 1`,
        [uid],
      );
      removed = rows.length;
    }
  }
}

/** A Buffer goes to PostgreSQL as it is, in binary. */
function bytesOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
