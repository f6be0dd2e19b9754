import { promisify } from 'node:util';
import { inflateRaw } from 'node:zlib';
import { type BlobRange } from '#platform';
import type { Readable } from 'node:stream';
import { countMessages, countShown, type MessageBlock, type MessageIndex, SHOWN } from './message-log.js';

const inflate = promisify(inflateRaw);

/** Reads a range of the log's blob. */
export type OpenLog = (range: BlobRange) => Promise<Readable>;

export interface LoggedMessage {
  /** Its line in `messages.jsonl`, from 1. */
  readonly line: number;
  readonly isShown: boolean;
  /** The message as it was pushed, one line of JSON in UTF-8: fit to be sent on without parsing. */
  readonly json: Buffer;
}

export type MessageOrder = 'oldest' | 'newest';

/** Neighbouring blocks are fetched together up to this many bytes. */
const FETCH_BYTES = 512 * 1024;
/** What another thread is given at once of a page. */
const PAGE_BLOCK_BYTES = 256 * 1024;
const NEWLINE = 0x0a;
const SHOWN_BYTE = SHOWN.charCodeAt(0);

interface PlacedBlock {
  readonly start: number;
  readonly end: number;
  readonly messages: number;
  readonly shown: number;
  /** Shown messages in the blocks before. */
  readonly shownBefore: number;
}

/** Messages of one conversation from their log. Memory: one fetch and one inflated block. */
export class MessageLogReader {
  readonly count: number;
  readonly shownCount: number;
  private readonly blocks: readonly PlacedBlock[];

  constructor(
    index: MessageIndex,
    private readonly openLog: OpenLog,
  ) {
    this.count = countMessages(index);
    this.shownCount = countShown(index);
    this.blocks = placed(index.blocks);
  }

  /** Every message, oldest first. */
  async *all(): AsyncGenerator<LoggedMessage> {
    for await (const block of this.fetch(this.blocks)) yield* messagesOf(block.text);
  }

  /** The inflated blocks in order, for `messagesOf` in another thread. */
  async *blockTexts(): AsyncGenerator<Buffer> {
    for await (const { text } of this.fetch(this.blocks)) yield text;
  }

  /** `limit` of the shown messages after `offset` of them, counted from the oldest or from the newest. */
  async *page(offset: number, limit: number, order: MessageOrder = 'oldest'): AsyncGenerator<LoggedMessage> {
    const isNewest = order === 'newest';
    const from = Math.max(0, isNewest ? this.shownCount - offset - limit : offset);
    const to = Math.min(this.shownCount, isNewest ? this.shownCount - offset : offset + limit);
    const wanted = this.blocks.filter(
      ({ shown, shownBefore }) => shown > 0 && shownBefore < to && shownBefore + shown > from,
    );
    for await (const { text, shownBefore } of this.fetch(isNewest ? wanted.reverse() : wanted)) {
      const shown = [...messagesOf(text)].filter(({ isShown }) => isShown);
      const part = shown.slice(Math.max(0, from - shownBefore), Math.max(0, to - shownBefore));
      yield* isNewest ? part.reverse() : part;
    }
  }

  /** As `page`, put together to blocks that `messagesOf` reads in another thread, one in memory at a time. */
  async *pageBlocks(offset: number, limit: number, order: MessageOrder = 'oldest'): AsyncGenerator<Buffer> {
    let pieces: Buffer[] = [];
    let held = 0;
    for await (const { line, json } of this.page(offset, limit, order)) {
      pieces.push(Buffer.from(`${line}${SHOWN}`), json, Buffer.from('\n'));
      held += json.length;
      if (held < PAGE_BLOCK_BYTES) continue;
      yield Buffer.concat(pieces);
      pieces = [];
      held = 0;
    }
    if (held > 0) yield Buffer.concat(pieces);
  }

  private async *fetch(blocks: readonly PlacedBlock[]): AsyncGenerator<PlacedBlock & { readonly text: Buffer }> {
    for (const run of runs(blocks)) {
      const start = Math.min(...run.map((block) => block.start));
      const bytes = await gathered(await this.openLog({ start, end: Math.max(...run.map(({ end }) => end)) }));
      for (const block of run) {
        const text = await inflate(bytes.subarray(block.start - start, block.end - start));
        yield { ...block, text };
      }
    }
  }
}

function placed(blocks: readonly MessageBlock[]): PlacedBlock[] {
  let start = 0;
  let shownBefore = 0;
  return blocks.map(([bytes, messages, shown]) => {
    const block = { start, end: start + bytes, messages, shown, shownBefore };
    start += bytes;
    shownBefore += shown;
    return block;
  });
}

/** Groups of blocks that lie side by side, in either direction, and are worth one fetch. */
function runs(blocks: readonly PlacedBlock[]): PlacedBlock[][] {
  const groups: PlacedBlock[][] = [];
  let bytes = 0;
  for (const block of blocks) {
    const group = groups.at(-1);
    const last = group?.at(-1);
    const isNext = last !== undefined && (last.end === block.start || block.end === last.start);
    bytes = (isNext ? bytes : 0) + block.end - block.start;
    if (group !== undefined && isNext && bytes <= FETCH_BYTES) group.push(block);
    else {
      groups.push([block]);
      bytes = block.end - block.start;
    }
  }
  return groups;
}

async function gathered(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** The messages of one inflated block. */
export function* messagesOf(text: Buffer): Generator<LoggedMessage> {
  for (let from = 0; from < text.length;) {
    const end = text.indexOf(NEWLINE, from);
    let at = from;
    let line = 0;
    for (; isDigit(text[at]); at += 1) line = line * 10 + ((text[at] ?? 0) - 0x30);
    yield { line, isShown: text[at] === SHOWN_BYTE, json: text.subarray(at + 1, end) };
    from = end + 1;
  }
}

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x30 && byte <= 0x39;
