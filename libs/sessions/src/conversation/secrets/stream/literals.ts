import type { Match } from '../scan.js';

/** Whether the text read so far ends inside a string literal of JSON. */
export class LiteralState {
  startsInside = false;

  pass(text: string): void {
    if (quotesIn(text).length % 2 === 1) this.startsInside = !this.startsInside;
  }
}

/**
 * The parts of the matches that lie inside string literals, without cutting an escape sequence: put there, a
 * placeholder leaves the text the JSON it was.
 */
export function insideLiterals(text: string, matches: readonly Match[], startsInside: boolean): Match[] {
  const quotes = quotesIn(text);
  return matches.flatMap((match) => {
    const before = countBelow(quotes, match.start);
    const isInside = (before % 2 === 1) !== startsInside;
    const first = isInside ? match.start : (quotes[before] ?? text.length) + 1;
    const closing = quotes[isInside ? before : before + 1] ?? text.length;
    const start = startOfEscape(text, first);
    const end = Math.min(endOfEscape(text, match.end), closing);
    return start < end ? [{ ...match, start, end }] : [];
  });
}

/** The places of the quotes that begin or end a literal. */
function quotesIn(text: string): number[] {
  const quotes: number[] = [];
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at + 1)) {
    let backslashes = 0;
    while (text[at - 1 - backslashes] === '\\') backslashes += 1;
    if (backslashes % 2 === 0) quotes.push(at);
  }
  return quotes;
}

/** How many of the ascending numbers are below `limit`. */
function countBelow(numbers: readonly number[], limit: number): number {
  let [low, high] = [0, numbers.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((numbers[middle] ?? 0) < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The escape sequence that `at` lies inside of, as its length before `at`; 0 when it lies between characters. */
function insideEscape(text: string, at: number): number {
  const begun = /(\\+)(?:u[0-9A-Fa-f]{0,3})?$/.exec(text.slice(Math.max(0, at - 1_000), at));
  if (begun === null || (begun[1] ?? '').length % 2 === 0) return 0;
  return begun[0].length - (begun[1] ?? '').length + 1;
}

const startOfEscape = (text: string, at: number): number => at - insideEscape(text, at);

function endOfEscape(text: string, at: number): number {
  const inside = insideEscape(text, at);
  if (inside === 0) return at;
  const start = at - inside;
  return start + (text[start + 1] === 'u' ? 6 : 2);
}
