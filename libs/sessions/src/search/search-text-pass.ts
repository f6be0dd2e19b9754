import { codeText } from '../conversation/identifiers.js';
import type { Message } from '../conversation/message.js';
import type { ConversationPass } from '../conversation/pass.js';
import { type SearchChunk, SearchTextBuilder } from '../conversation/search-text.js';

/** What a chunk repeats of the one before, so that a phrase across their border is in one of them. */
const OVERLAP = 200;
/** Words of one conversation that are kept in mind, to be told once; what comes beyond is told again. */
const MAX_KNOWN = 50_000;

export interface IndexedChunk extends SearchChunk {
  /** Words of the code in it and their parts. */
  readonly identifiers: readonly string[];
}

/**
 * A part of what the search index holds of a conversation, as PostgreSQL takes it: each piece is a jsonb list in its
 * binary form, enough for one statement. The main thread only passes bytes on; as objects they would fill its heap.
 */
export interface SearchText {
  /** How many chunks there are in `chunks`. */
  readonly count: number;
  /** Lists of IndexedChunk. */
  readonly chunks: readonly Uint8Array[];
  /** Lists of words that no part before had. */
  readonly words: readonly Uint8Array[];
}

/** About 130 KB of text to a statement. */
const CHUNKS_AT_ONCE = 16;
const WORDS_AT_ONCE = 5_000;

/** Turns a conversation into what is indexed of it, told part by part. */
export class SearchTextPass implements ConversationPass<SearchText, SearchText> {
  private readonly texts = new SearchTextBuilder();
  private readonly known = new Set<string>();
  private chunks: IndexedChunk[] = [];
  private words: string[] = [];
  private overlap = '';

  feed(message: Message, index: number): void {
    for (const chunk of this.texts.feed(message, index)) this.take(chunk);
  }

  part(): SearchText {
    const { chunks, words } = this;
    this.chunks = [];
    this.words = [];
    return { count: chunks.length, chunks: lists(chunks, CHUNKS_AT_ONCE), words: lists(words, WORDS_AT_ONCE) };
  }

  finish(): SearchText {
    for (const chunk of this.texts.finish()) this.take(chunk);
    return this.part();
  }

  private take(chunk: SearchChunk): void {
    const text = this.overlap === '' ? chunk.text : `${this.overlap}\n${chunk.text}`;
    const { identifiers, words } = codeText(text);
    this.chunks.push({ ...chunk, text, identifiers });
    for (const word of words) {
      if (this.known.has(word)) continue;
      if (this.known.size < MAX_KNOWN) this.known.add(word);
      this.words.push(word);
    }
    this.overlap = lastWords(chunk.text);
  }
}

function lists(items: readonly unknown[], size: number): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let start = 0; start < items.length; start += size) parts.push(jsonb(items.slice(start, start + size)));
  return parts;
}

/** PostgreSQL's binary form of jsonb: a version, which is 1, and the text. */
function jsonb(value: unknown): Uint8Array {
  // Memory of its own: with a piece of the pool that small buffers share, all of the pool would be sent.
  return new Uint8Array(Buffer.from(`\u0001${JSON.stringify(value)}`));
}

/** The end of a text from a border between words on. */
function lastWords(text: string): string {
  const end = text.slice(-OVERLAP);
  const border = end.search(/\s/);
  return border < 0 ? '' : end.slice(border + 1);
}
