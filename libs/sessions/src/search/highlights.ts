import { head } from '../conversation/bounded-text.js';
import { identifiers } from '../conversation/identifiers.js';

/** What of a text made it a result, shown around the place where most of it stands. */
export interface Excerpt {
  readonly text: string;
  /** Where in `text` the matches stand, in UTF-16 units; in order, apart from each other. */
  readonly highlights: readonly Highlight[];
}

export interface Highlight {
  readonly start: number;
  readonly end: number;
}

/** What is looked for in texts. */
export interface Needles {
  /** Shown wherever they stand, in any case and with any white space: identifiers, beginnings of words, phrases. */
  readonly literals: readonly string[];
  /** Words of the texts that match by their stems, lower case. */
  readonly words: ReadonlySet<string>;
}

const WIDTH = 240;
/** How much of it comes before the first match. */
const LEAD = 60;
const WORD = /[\p{L}\p{N}_]+/gu;
const MAY_HAVE_PARTS = /[_\d]|\p{Ll}\p{Lu}/u;
const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** The different words of a text that may have one of the stems: those that begin like one. */
export function* candidates(text: string, beginnings: ReadonlySet<string>): Generator<string> {
  for (const [word] of text.matchAll(WORD)) {
    const lower = word.toLowerCase();
    if (beginnings.has(lower.slice(0, 1))) yield lower;
  }
}

/** Null when nothing is found in it. */
export function excerpt(text: string, needles: Needles): Excerpt | null {
  const places = placesOf(text, needles);
  if (places.length === 0) return null;
  const from = startOf(text, bestOf(text, places));
  const cut = head(text.slice(from), WIDTH);
  const highlights = places
    .filter(({ start, end }) => start >= from && end <= from + cut.length)
    .map(({ start, end }) => ({ start: start - from, end: end - from }));
  return { text: cut, highlights };
}

/** An excerpt as HTML: everything escaped, matches in `<mark>`. */
export function marked({ text, highlights }: Excerpt): string {
  let html = '';
  let at = 0;
  for (const { start, end } of highlights) {
    html += `${escaped(text.slice(at, start))}<mark>${escaped(text.slice(start, end))}</mark>`;
    at = end;
  }
  return html + escaped(text.slice(at));
}

const escaped = (text: string): string => text.replace(/[&<>"']/g, (character) => ESCAPES[character]!);

const patternOf = (literal: string): string =>
  literal
    .trim()
    .replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
    .replace(/\s+/g, '\\s+');

/** In order, and merged where they overlap. */
function placesOf(text: string, { literals, words }: Needles): Highlight[] {
  const places: Highlight[] = [];
  const pattern = literals
    .filter((literal) => literal.trim() !== '')
    .map(patternOf)
    .join('|');
  if (pattern !== '') {
    for (const { index, 0: found } of text.matchAll(new RegExp(pattern, 'giu'))) {
      places.push({ start: index, end: index + found.length });
    }
  }
  const has = (part: string): boolean => words.has(part);
  for (const { index, 0: word } of text.matchAll(WORD)) {
    const isMatch = words.has(word.toLowerCase()) || (MAY_HAVE_PARTS.test(word) && identifiers(word).some(has));
    if (isMatch) places.push({ start: index, end: index + word.length });
  }
  places.sort((a, b) => a.start - b.start || b.end - a.end);
  const merged: Highlight[] = [];
  for (const place of places) {
    const last = merged.at(-1);
    if (last && place.start < last.end) merged[merged.length - 1] = { ...last, end: Math.max(last.end, place.end) };
    else merged.push(place);
  }
  return merged;
}

/** The first place of the window that holds the most different matches. */
function bestOf(text: string, places: readonly Highlight[]): number {
  let best = 0;
  let most = 0;
  const wordAt = places.map(({ start, end }) => text.slice(start, end).toLowerCase());
  for (const [index, { start }] of places.entries()) {
    const inside = new Set<string>();
    for (let next = index; next < places.length && places[next]!.end <= start + WIDTH - LEAD; next += 1) {
      inside.add(wordAt[next]!);
    }
    if (inside.size > most) [most, best] = [inside.size, index];
  }
  return places[best]!.start;
}

/** Begins a little before the match, at a border between words. */
function startOf(text: string, match: number): number {
  const from = Math.max(0, match - LEAD);
  if (from === 0) return 0;
  const border = text.slice(from, match).search(/\s/);
  return border < 0 ? match : from + border + 1;
}
