import { spellings } from '../conversation/identifiers.js';
import type { QueryPart } from './query-words.js';

/** What PostgreSQL makes of a part of a query. */
export interface AnalysedPart {
  readonly lexemes: readonly string[];
  /** Words like `the`: looked for only when a query has no others. */
  readonly isStop: boolean;
  /** As a tsquery of the lexemes in their order. */
  readonly phrase: string;
}

/** One look at the index: a tsquery, and whether every result must match it. */
export interface SearchUnit {
  readonly query: string;
  readonly isRequired: boolean;
  readonly weight: number;
  /** The part of the query it belongs to. */
  readonly part: number;
}

/** Words of the account's sessions that contain a part, by its place, as tsqueries. */
export type Expansions = ReadonlyMap<number, readonly string[]>;

const REQUIRED = 1;
/** Where a path or an identifier stands as it was typed, not only its parts. */
const EXACT = 2;

/**
 * The looks at the index that answer a query. A session is a result when it matches every required one, anywhere in its
 * conversation or its title, alias and tags. An identifier is matched as a whole, in its other spellings and inside of
 * longer ones, or by all of its parts.
 */
export function searchUnits(
  parts: readonly QueryPart[],
  analysed: readonly AnalysedPart[],
  expansions: Expansions,
): SearchUnit[] {
  const hasWords = parts.some((part, index) => isTelling(part, analysed[index]!));
  return parts.flatMap((part, index) => {
    const analysis = analysed[index]!;
    if (hasWords && !isTelling(part, analysis)) return [];
    return unitsOf(part, analysis, expansions.get(index) ?? []).map((unit) => ({ ...unit, part: index }));
  });
}

/** Whether the index should be asked for longer words with this one in them, even when it is found itself. */
export function isCode(part: QueryPart): boolean {
  return part.kind === 'word' && spellings(part.text).length > 0;
}

function isTelling(part: QueryPart, { isStop }: AnalysedPart): boolean {
  return !isStop || isCode(part) || part.kind === 'prefix';
}

function unitsOf(part: QueryPart, analysis: AnalysedPart, longer: readonly string[]): Omit<SearchUnit, 'part'>[] {
  const { kind, text } = part;
  if (kind === 'phrase') return analysis.phrase === '' ? [] : [required([`(${analysis.phrase})`])];
  const own = lexeme(text.toLowerCase());
  if (kind === 'prefix') return [required([`${own}:*`, ...longer])];
  const exact = [...spellings(text).map(lexeme), ...longer];
  if (analysis.lexemes.length === 0) return [required([own, ...exact])];
  const units = analysis.lexemes.map((stem) => required([lexeme(stem), own, ...exact]));
  return exact.length === 0 ? units : [...units, { query: any(exact), isRequired: false, weight: EXACT }];
}

function required(alternatives: readonly string[]): Omit<SearchUnit, 'part'> {
  return { query: any(alternatives), isRequired: true, weight: REQUIRED };
}

export const any = (queries: readonly string[]): string => [...new Set(queries)].join(' | ');

/** A word as a tsquery, whatever is in it. */
export function lexeme(word: string): string {
  return `'${word.replace(/\\/g, '\\\\').replace(/'/g, "''")}'`;
}
