import { wordsOf } from '../conversation/identifiers.js';

/** One thing a query asks for; a session must have all of them. */
export interface QueryPart {
  readonly kind: 'word' | 'phrase' | 'prefix';
  /** As typed, without quotes and star. */
  readonly text: string;
}

/** Further words are not looked for: each costs a look at the index. */
const MAX_PARTS = 32;
const PART = /"([^"]*)"|(\S+)/g;

/**
 * What a query asks for: words, `"phrases"` and beginnings of words (`foo*`). Quotes that are not closed and operators of
 * other search engines are plain characters.
 */
export function queryParts(query: string): QueryPart[] {
  const parts = new Map<string, QueryPart>();
  for (const [, phrase, text = ''] of query.matchAll(PART)) {
    const found = phrase === undefined ? wordParts(text) : phraseParts(phrase);
    for (const part of found) parts.set(`${part.kind} ${part.text.toLowerCase()}`, part);
  }
  return [...parts.values()].slice(0, MAX_PARTS);
}

function phraseParts(phrase: string): QueryPart[] {
  const words = [...wordsOf(phrase)];
  return words.length > 1 ? [{ kind: 'phrase', text: phrase }] : words.map((text) => ({ kind: 'word', text }));
}

function wordParts(text: string): QueryPart[] {
  const words = [...wordsOf(text)];
  const isPrefix = text.endsWith('*');
  return words.map((word, index) => ({
    kind: isPrefix && index === words.length - 1 ? 'prefix' : 'word',
    text: word,
  }));
}
