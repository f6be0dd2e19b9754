import { ends, head, plainOutput } from './bounded-text.js';
import { isJsonObject, type JsonObject, type JsonValue } from './json.js';
import type { Block, Message } from './message.js';

/** About the size of one indexed text. */
const CHUNK = 8000;
/** A long text is cut at white space; what cannot be cut there repeats this much, so no shorter word is lost. */
const OVERLAP = 200;
/** Of one tool's input and of one tool's result: all of nearly every one; of the rest the beginning and the end. */
const MAX_TOOL_TEXT = 1_000_000;
const MAX_INPUT_VALUES = 1000;

/** A piece of a conversation's text for the search index. */
export interface SearchChunk {
  /** From 0, without gaps. */
  readonly ordinal: number;
  /** The first and the last message with text in it. */
  readonly firstMessage: number;
  readonly lastMessage: number;
  /** At most 8 KB, without NUL and half characters, which PostgreSQL refuses. */
  readonly text: string;
}

/**
 * Cuts the text of a whole conversation (§7.11 without its cut at 100 KB and at 500 characters per result) into chunks,
 * in one pass that holds one message and one chunk. Short messages share a chunk, long ones take several.
 */
export class SearchTextBuilder {
  private ordinal = 0;
  private parts: string[] = [];
  private length = 0;
  private first = 0;
  private last = 0;

  /** The chunks this message fills. */
  *feed(message: Message, index: number): Generator<SearchChunk> {
    for (const text of searchText(message)) {
      for (const piece of pieces(storable(text))) {
        if (this.length > 0 && this.length + piece.length + 1 > CHUNK) yield this.close();
        if (this.length === 0) this.first = index;
        this.last = index;
        this.parts.push(piece);
        this.length += piece.length + 1;
      }
    }
  }

  /** The last chunk, if any text is left. */
  *finish(): Generator<SearchChunk> {
    if (this.length > 0) yield this.close();
  }

  private close(): SearchChunk {
    const chunk = { firstMessage: this.first, lastMessage: this.last, text: this.parts.join('\n') };
    this.parts = [];
    this.length = 0;
    return { ordinal: this.ordinal++, ...chunk };
  }
}

/** The searchable texts of one message, in order; thinking and images are not searched. */
export function* searchText(message: Message): Generator<string> {
  for (const block of message.blocks) {
    const text = blockText(block);
    if (text.trim() !== '') yield text;
  }
}

function blockText(block: Block): string {
  switch (block.type) {
    case 'text':
    case 'summary':
      return block.text;
    case 'tool_use':
      return toolUseText(block.name, block.input);
    case 'tool_result':
      return plainOutput(ends(block.text, MAX_TOOL_TEXT));
    case 'thinking':
    case 'other':
      return '';
  }
}

/** `[name] command`, and on further lines every other text of the input: paths, patterns, what was written. */
function toolUseText(name: string, input: JsonObject): string {
  const { command, ...rest } = input;
  const line = typeof command === 'string' ? `[${name}] ${command}` : `[${name}]`;
  const others = texts(typeof command === 'string' ? rest : input);
  return ends([line, ...others].join('\n'), MAX_TOOL_TEXT);
}

function texts(input: JsonObject): string[] {
  const found: string[] = [];
  const waiting: JsonValue[] = [input];
  while (waiting.length > 0 && found.length < MAX_INPUT_VALUES) {
    const value = waiting.pop();
    if (typeof value === 'string') found.push(head(value, MAX_TOOL_TEXT));
    else if (Array.isArray(value)) for (const item of value.toReversed() as JsonValue[]) waiting.push(item);
    else if (isJsonObject(value)) for (const item of Object.values(value).reverse()) waiting.push(item);
  }
  return found;
}

/** A text PostgreSQL stores: NUL becomes a space, half a surrogate pair the replacement character. */
export function storable(text: string): string {
  return text.replaceAll('\0', ' ').toWellFormed();
}

/** Cuts at the last white space of each piece; a piece without any is cut anyway and overlaps the next. */
function* pieces(text: string): Generator<string> {
  let start = 0;
  while (text.length - start > CHUNK - 1) {
    const piece = head(text.slice(start, start + CHUNK - 1), CHUNK - 1);
    const cut = Math.max(piece.lastIndexOf('\n'), piece.lastIndexOf(' '));
    const end = cut > CHUNK / 2 ? cut : head(text.slice(start, start + CHUNK), CHUNK - 1).length;
    yield storable(text.slice(start, start + end));
    start += cut > CHUNK / 2 ? end + 1 : end - OVERLAP;
  }
  if (start < text.length) yield storable(text.slice(start));
}
