import { Injectable } from '@nestjs/common';
import { Database, type Principal } from '#platform';
import { type ReaderParameters, ReadableSessions } from '../readable-sessions.js';
import { SEARCH_SQL } from './search-sql.js';
import type { AnalysedPart, SearchUnit } from './search-units.js';

export interface SearchFilters {
  readonly tools: readonly string[] | null;
  readonly model: string | null;
  readonly repo: string | null;
  readonly branch: string | null;
  readonly tag: string | null;
  /** As of SessionListQuery. */
  readonly commit: string | null;
  /** Last changed at or after. */
  readonly since: Date | null;
  /** Last changed before. */
  readonly until: Date | null;
}

export interface SearchPlace {
  readonly limit: number;
  readonly offset: number;
  /** Score, time of change and uid of the last result of the page before. */
  readonly after: readonly [score: string, at: string, uid: string] | null;
}

export interface FacetCount {
  readonly value: string;
  readonly count: number;
}

export type Facets = Readonly<Record<'tools' | 'models' | 'repos' | 'branches' | 'tags', readonly FacetCount[]>>;

/** A result's place in the order, and where in its conversation it matches best. */
export interface RankedSession {
  readonly uid: string;
  readonly score: string;
  readonly at: string;
  /** Null when only title, alias or tags match. */
  readonly ordinal: number | null;
}

export interface RankedPage {
  readonly total: number;
  readonly page: readonly RankedSession[];
  readonly facets: Facets;
  /** Indexes of required units that no readable session matches. */
  readonly missing: readonly number[];
}

export interface FoundSession {
  readonly uid: string;
  readonly id: string;
  readonly title: string | null;
  readonly alias: string | null;
  readonly tags: readonly string[];
  readonly sourceTool: string;
  readonly modelId: string | null;
  readonly messageCount: number;
  readonly gitRemote: string | null;
  readonly gitBranch: string | null;
  readonly isOwn: boolean;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  /** The part of the conversation that matches best. */
  readonly text: string | null;
  readonly firstMessage: number | null;
  readonly lastMessage: number | null;
}

/** A word of the account's sessions, and the lexemes PostgreSQL makes of it. */
interface KnownWord {
  readonly place: number;
  readonly word: string;
  readonly lexemes: readonly string[];
}

const MAX_LONGER = 64;
const FACET_VALUES = 20;

/** Every question put to the search index. */
@Injectable()
export class SearchRepository {
  constructor(private readonly db: Database) {}

  /** In the order of the texts. */
  analyse(texts: readonly string[]): Promise<AnalysedPart[]> {
    return this.db.query<AnalysedPart>(
      `select tsvector_to_array(to_tsvector('session_text', translate(t.text, '<>', '  '))) as lexemes,
              to_tsvector('english', t.text) = '' as "isStop",
              phraseto_tsquery('session_text', translate(t.text, '<>', '  '))::text as phrase
         from unnest($1::text[]) with ordinality as t(text, place) order by t.place`,
      [texts],
    );
  }

  /** The shortest words of the caller's account that begin with a text, or that have it anywhere; by the texts' places. */
  longerWords(caller: Principal, texts: readonly string[], where: 'begins' | 'has'): Promise<KnownWord[]> {
    return this.db.query<KnownWord>(
      `select (t.place - 1)::integer as place, w.word,
              tsvector_to_array(to_tsvector('session_text', w.word)) as lexemes
         from unnest($2::text[]) with ordinality as t(text, place)
         cross join lateral (
           select word from session_word
            where account_id = $1 and ${where === 'has' ? HAS : BEGINS}
            order by length(word), word limit ${MAX_LONGER}) w`,
      [caller.accountId, texts],
    );
  }

  async rank(
    reader: ReaderParameters,
    units: readonly SearchUnit[],
    filters: SearchFilters,
    place: SearchPlace,
  ): Promise<RankedPage> {
    const [row] = await this.db.query<RankedPage>(SEARCH_SQL, [
      ...reader,
      units.map(({ query }) => query),
      units.map(({ isRequired }) => isRequired),
      units.map(({ weight }) => weight),
      filters.tools,
      filters.model,
      filters.repo,
      filters.branch,
      filters.tag,
      filters.since,
      filters.until,
      ...(place.after ?? [null, null, null]),
      place.limit,
      place.offset,
      FACET_VALUES,
      filters.commit,
    ]);
    return row!;
  }

  /** In any order. */
  find(reader: ReaderParameters, ranked: readonly RankedSession[]): Promise<FoundSession[]> {
    return this.db.query<FoundSession>(
      `select s.uid, s.id, s.title, s.alias, s.tags, s.source_tool as "sourceTool", s.model_id as "modelId",
              s.message_count as "messageCount", s.git_remote as "gitRemote", s.git_branch as "gitBranch",
              s.account_id = $1 and s.user_id = $2 as "isOwn", s.created_at as "createdAt", s.updated_at as "updatedAt",
              c.text, c.first_message as "firstMessage", c.last_message as "lastMessage"
         from unnest($7::uuid[], $8::integer[]) as r(uid, ordinal)
         join captured_session s on s.uid = r.uid
         left join session_index i on i.session_uid = s.uid
         left join session_chunk c on c.session_uid = s.uid and c.version_id = i.version_id and c.ordinal = r.ordinal
        where ${ReadableSessions.predicate}`,
      [...reader, ranked.map(({ uid }) => uid), ranked.map(({ ordinal }) => ordinal)],
    );
  }

  /** Those of the words that match. */
  async matching(words: readonly string[], query: string): Promise<Set<string>> {
    if (words.length === 0) return new Set();
    const rows = await this.db.query<{ word: string }>(
      `select w.word from unnest($1::text[]) as w(word) where to_tsvector('session_text', w.word) @@ $2::tsquery`,
      [words, query],
    );
    return new Set(rows.map(({ word }) => word));
  }
}

const LITERAL = String.raw`regexp_replace(t.text, '([\\%_])', '\\\1', 'g')`;
const HAS = `word like '%' || ${LITERAL} || '%'`;
const BEGINS = `word >= t.text and word < t.text || U&'\\+10FFFF'`;
