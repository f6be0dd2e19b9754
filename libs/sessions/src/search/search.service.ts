import { setImmediate as breath } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import { type Principal, QUERY_CANCELED, sqlState } from '#platform';
import { type ReaderParameters, ReadableSessions } from '../readable-sessions.js';
import { candidates, type Excerpt, excerpt, type Needles } from './highlights.js';
import { type QueryPart, queryParts } from './query-words.js';
import { type AnalysedPart, any, isCode, lexeme, searchUnits, type SearchUnit } from './search-units.js';
import {
  type Facets,
  type FoundSession,
  type RankedPage,
  type RankedSession,
  type SearchFilters,
  type SearchPlace,
  SearchRepository,
} from './search.repository.js';

export interface SearchResult {
  readonly session: FoundSession;
  readonly score: string;
  /** Null when what matches cannot be pointed at. */
  readonly match: SearchMatch | null;
}

export interface SearchMatch extends Excerpt {
  readonly field: 'messages' | 'title';
  /** Lines of `messages.jsonl` among which it stands, from 0. */
  readonly firstMessage: number | null;
  readonly lastMessage: number | null;
}

export interface SearchPage {
  readonly results: readonly SearchResult[];
  readonly total: number;
  readonly facets: Facets;
  /** Place of the last result, when there are more. */
  readonly next: SearchPlace['after'];
}

const NO_FACETS: Facets = { tools: [], models: [], repos: [], branches: [], tags: [] };
/** Shorter texts are in too many words to be worth a look. */
const MIN_PART = 3;

/** Asks the index for the page that was asked for. */
type Rank = (units: readonly SearchUnit[]) => Promise<RankedPage>;

/** A query with what PostgreSQL and the account's words say of it. */
interface Understood {
  readonly parts: readonly QueryPart[];
  readonly analysed: readonly AnalysedPart[];
  readonly longer: Map<number, readonly string[]>;
  readonly literals: Set<string>;
}

/** Full-text search over all conversations a caller may read (sessionfs-1.md §7.11, and what it lacks). */
@Injectable()
export class SearchService {
  constructor(
    private readonly search: SearchRepository,
    private readonly readable: ReadableSessions,
  ) {}

  /**
   * Best first; the order is the same each time. A query without any word finds nothing. Errors: `timeout` for one that
   * takes longer than the database lets a statement run.
   */
  async find(caller: Principal, query: string, filters: SearchFilters, place: SearchPlace): Promise<SearchPage> {
    try {
      return await this.look(caller, query, filters, place);
    } catch (error) {
      if (sqlState(error) !== QUERY_CANCELED) throw error;
      throw new DomainError('timeout', 'The search took too long; ask for rarer words or narrow it by filters', {
        reason: 'search_timeout',
        cause: error,
      });
    }
  }

  private async look(
    caller: Principal,
    query: string,
    filters: SearchFilters,
    place: SearchPlace,
  ): Promise<SearchPage> {
    const reader = await this.readable.parametersOf(caller);
    const rank: Rank = (units) => this.search.rank(reader, units, filters, { ...place, limit: place.limit + 1 });
    const parts = queryParts(query);
    const analysed = parts.length > 0 ? await this.search.analyse(parts.map(({ text }) => text)) : [];
    const understood: Understood = { parts, analysed, longer: new Map(), literals: new Set() };
    await this.expand(caller, understood, 'begins', (part) => part.kind === 'prefix');
    await this.expand(caller, understood, 'has', isCode);
    const units = searchUnits(parts, analysed, understood.longer);
    if (!units.some(({ isRequired }) => isRequired)) return { results: [], total: 0, facets: NO_FACETS, next: null };
    const [used, page] = await this.orInsideWords(caller, understood, units, rank);
    const shown = page.page.slice(0, place.limit);
    const last = page.page.length > place.limit ? shown.at(-1) : undefined;
    return {
      results: await this.results(reader, understood, used, shown),
      total: page.total,
      facets: page.facets,
      next: last ? [last.score, last.at, last.uid] : null,
    };
  }

  /** A word that is found nowhere is looked for inside of longer ones: `ernetes` finds Kubernetes. */
  private async orInsideWords(
    caller: Principal,
    understood: Understood,
    units: readonly SearchUnit[],
    rank: Rank,
  ): Promise<[readonly SearchUnit[], RankedPage]> {
    const ranked = await rank(units);
    const missing = new Set(ranked.missing.map((unit) => units[unit]!.part));
    const before = understood.longer.size;
    await this.expand(caller, understood, 'has', ({ kind }, index) => kind === 'word' && missing.has(index));
    if (understood.longer.size === before) return [units, ranked];
    const wider = searchUnits(understood.parts, understood.analysed, understood.longer);
    return [wider, await rank(wider)];
  }

  /** Adds longer words of the account to those parts of the query that `which` says and that have none yet. */
  private async expand(
    caller: Principal,
    { parts, longer, literals }: Understood,
    where: 'begins' | 'has',
    which: (part: QueryPart, index: number) => boolean,
  ): Promise<void> {
    const places = [...parts.keys()].filter(
      (index) => !longer.has(index) && parts[index]!.text.length >= MIN_PART && which(parts[index]!, index),
    );
    if (places.length === 0) return;
    const texts = places.map((index) => parts[index]!.text.toLowerCase());
    for (const { place, word, lexemes } of await this.search.longerWords(caller, texts, where)) {
      const index = places[place]!;
      // A word of several lexemes is code, which is indexed as a whole.
      const queries = [lexeme(word), ...(lexemes.length === 1 ? lexemes.map(lexeme) : [])];
      longer.set(index, [...(longer.get(index) ?? []), ...queries]);
      literals.add(parts[index]!.text.toLowerCase());
    }
  }

  private async results(
    reader: ReaderParameters,
    understood: Understood,
    units: readonly SearchUnit[],
    ranked: readonly RankedSession[],
  ): Promise<SearchResult[]> {
    if (ranked.length === 0) return [];
    const sessions = new Map((await this.search.find(reader, ranked)).map((session) => [session.uid, session]));
    const needles = await this.needles(understood, units, [...sessions.values()]);
    const results: SearchResult[] = [];
    for (const { uid, score } of ranked) {
      const session = sessions.get(uid);
      if (session) results.push({ session, score, match: matchOf(session, needles) });
      await breath();
    }
    return results;
  }

  /** What the excerpts show of a query: nothing of the words that were not looked for. */
  private async needles(
    { parts, analysed, literals }: Understood,
    units: readonly SearchUnit[],
    sessions: readonly FoundSession[],
  ): Promise<Needles> {
    const used = [...new Set(units.map(({ part }) => part))];
    const own = used
      .filter((index) => parts[index]!.kind !== 'phrase')
      .map((index) => parts[index]!.text.toLowerCase());
    const stems = used.flatMap((index) => tellingLexemes(parts[index]!, analysed[index]!));
    const texts = sessions.flatMap((session) => [session.text ?? '', headingOf(session)]);
    const query = any([...units.map((unit) => unit.query), ...stems.map(lexeme)]);
    const beginnings = new Set([...stems, ...own].map((stem) => stem.slice(0, 1)));
    const mayMatch = new Set<string>();
    for (const text of texts) {
      for (const word of candidates(text, beginnings)) mayMatch.add(word);
      await breath();
    }
    const words = await this.search.matching([...mayMatch], query);
    for (const word of own) words.add(word);
    for (const index of used) {
      const part = parts[index]!;
      if (part.kind !== 'word' || isCode(part)) literals.add(part.text.toLowerCase());
    }
    return { literals: [...literals], words };
  }
}

/** Of a phrase only its longer words: the others stand everywhere. */
function tellingLexemes({ kind }: QueryPart, { lexemes }: AnalysedPart): readonly string[] {
  const long = kind === 'phrase' ? lexemes.filter((word) => word.length > 3) : [];
  return long.length > 0 ? long : lexemes;
}

function matchOf(session: FoundSession, needles: Needles): SearchMatch | null {
  const { text, firstMessage, lastMessage } = session;
  const inMessages = text === null ? null : excerpt(text, needles);
  if (inMessages) return { ...inMessages, field: 'messages', firstMessage, lastMessage };
  const inTitle = excerpt(headingOf(session), needles);
  return inTitle && { ...inTitle, field: 'title', firstMessage: null, lastMessage: null };
}

function headingOf({ title, alias, tags }: FoundSession): string {
  return [title, alias, ...tags].filter((text) => text !== null).join(' · ');
}
