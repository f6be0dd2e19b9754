import { promisify } from 'node:util';
import { deflateRaw } from 'node:zlib';
import { BlobSpool, type SpooledBlob } from '#kernel';

const deflate = promisify(deflateRaw);

/**
 * Where the messages of a conversation lie in their blob, for a row of the database. The blob is a sequence of raw
 * deflate streams (blocks); a block is lines `<line number><+ or -><message as JSON>`, `+` for what the messages route
 * shows. A page is read from the blocks that hold it and nothing else.
 */
export interface MessageIndex {
  readonly version: 1;
  /** For each block in order: its compressed bytes, its messages, and how many of them are shown. */
  readonly blocks: readonly MessageBlock[];
}

export type MessageBlock = readonly [bytes: number, messages: number, shown: number];

export const EMPTY_INDEX: MessageIndex = { version: 1, blocks: [] };

export const countMessages = ({ blocks }: MessageIndex): number => blocks.reduce((sum, [, count]) => sum + count, 0);
export const countShown = ({ blocks }: MessageIndex): number => blocks.reduce((sum, [, , shown]) => sum + shown, 0);

/** A block ends with the message that fills either: one page of 100 common messages lies in two or three. */
const BLOCK_BYTES = 128 * 1024;
const BLOCK_MESSAGES = 512;
/** Text of conversations is a tenth larger than at the default level, in half the time. */
const LEVEL = 4;

export const SHOWN = '+';
export const HIDDEN = '-';

/** Writes a message log while the messages go by; holds one block in memory. */
export class MessageLogWriter {
  private readonly blocks: MessageBlock[] = [];
  private pieces: Uint8Array[] = [];
  private held = 0;
  private messages = 0;
  private shown = 0;

  private constructor(private readonly spool: BlobSpool) {}

  static async create(spoolFolder: string): Promise<MessageLogWriter> {
    return new MessageLogWriter(await BlobSpool.create(spoolFolder));
  }

  /** `json` is one line of valid UTF-8. Awaiting what it returns is backpressure. */
  add(json: Uint8Array, line: number, isShown: boolean): void | Promise<void> {
    this.pieces.push(Buffer.from(`${line}${isShown ? SHOWN : HIDDEN}`), json, Buffer.from('\n'));
    this.held += json.byteLength;
    this.messages += 1;
    if (isShown) this.shown += 1;
    return this.held >= BLOCK_BYTES || this.messages >= BLOCK_MESSAGES ? this.endBlock() : undefined;
  }

  /** The blob, to be kept or dropped; null when there was no message. */
  async finish(): Promise<{ readonly log: SpooledBlob | null; readonly index: MessageIndex }> {
    await this.endBlock();
    if (this.blocks.length > 0) return { log: await this.spool.finish(), index: { version: 1, blocks: this.blocks } };
    await this.spool.discard();
    return { log: null, index: EMPTY_INDEX };
  }

  discard(): Promise<void> {
    return this.spool.discard();
  }

  private async endBlock(): Promise<void> {
    if (this.messages === 0) return;
    const text = Buffer.concat(this.pieces);
    const { messages, shown } = this;
    this.pieces = [];
    this.held = 0;
    this.messages = 0;
    this.shown = 0;
    const block = await deflate(text, { level: LEVEL });
    await this.spool.write(block);
    this.blocks.push([block.length, messages, shown]);
  }
}
