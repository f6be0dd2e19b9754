import { codeText } from '../conversation/identifiers.js';
import type { Message } from '../conversation/message.js';
import type { ConversationPass } from '../conversation/pass.js';
import { type SearchChunk, SearchTextBuilder } from '../conversation/search-text.js';

/** What a chunk repeats of the one before, so that a phrase across their border is in one of them. */
const OVERLAP = 200;
/** Words of one conversation that are kept in mind, to be told once; what comes beyond is told again. */
const MAX_KNOWN = 200_000;

export interface IndexedChunk extends SearchChunk {
  /** Words of the code in it and their parts. */
  readonly identifiers: readonly string[];
}

/** A part of what the search index holds of a conversation. */
export interface SearchText {
  readonly chunks: readonly IndexedChunk[];
  /** Words that no part before had. */
  readonly words: readonly string[];
}

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
    return { chunks, words };
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

/** The end of a text from a border between words on. */
function lastWords(text: string): string {
  const end = text.slice(-OVERLAP);
  const border = end.search(/\s/);
  return border < 0 ? '' : end.slice(border + 1);
}
