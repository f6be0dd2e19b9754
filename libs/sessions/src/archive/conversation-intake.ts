import { isUtf8 } from 'node:buffer';
import type { SpooledBlob } from '#kernel';
import { type BadLine, isShown, type Message, readMessage } from '../conversation/message.js';
import { refusedArchive } from './archive-limits.js';
import { Lines } from './lines.js';
import { type MessageIndex, MessageLogWriter } from './message-log.js';
import { cut } from './storable.js';

/** A line of `messages.jsonl` that could not be read. */
export interface BadLineReport {
  /** From 1. */
  readonly line: number;
  readonly reason: BadLine['reason'] | 'too_long';
}

/** What came of a `messages.jsonl`. */
export interface Conversation {
  /** Null when there was no message. */
  readonly log: SpooledBlob | null;
  readonly index: MessageIndex;
  readonly badLineCount: number;
  /** The first hundred of them. */
  readonly badLines: readonly BadLineReport[];
  /** Text of the first main-line message of role `user` that has any; its beginning. */
  readonly prompt: string | null;
}

/** An image of 5 MB in base64 fits; a line needs about four times its size in memory while it is parsed. */
export const MAX_LINE_BYTES = 8 * 1_048_576;
/** More lines than messages fit into the largest member, but few enough to be parsed in seconds. */
const MAX_LINES = 1_000_000;
const MAX_REPORTED = 100;
const MAX_PROMPT = 4_000;

/** Reads `messages.jsonl` as it goes by: good lines go into the message log, bad ones are reported, none is fatal. */
export class ConversationIntake {
  private readonly lines = new Lines(MAX_LINE_BYTES, (line, number) => this.take(line, number));
  private readonly badLines: BadLineReport[] = [];
  private badLineCount = 0;
  private lineCount = 0;
  private prompt: string | null = null;

  private constructor(private readonly writer: MessageLogWriter) {}

  static async create(spoolFolder: string): Promise<ConversationIntake> {
    return new ConversationIntake(await MessageLogWriter.create(spoolFolder));
  }

  push(chunk: Uint8Array): Promise<void> {
    return this.lines.push(chunk);
  }

  async finish(): Promise<Conversation> {
    await this.lines.end();
    const { badLineCount, badLines, prompt } = this;
    return { ...(await this.writer.finish()), badLineCount, badLines, prompt };
  }

  discard(): Promise<void> {
    return this.writer.discard();
  }

  private take(line: Buffer | null, number: number): void | Promise<void> {
    this.lineCount += 1;
    if (this.lineCount > MAX_LINES) throw refusedArchive(`messages.jsonl has more than ${MAX_LINES} lines`);
    if (line === null) return this.report(number, 'too_long');
    const text = line.toString('utf8');
    const message = readMessage(text);
    if (message.kind === 'bad_line') return this.report(number, message.reason);
    this.prompt ??= promptOf(message);
    return this.writer.add(isUtf8(line) ? line : Buffer.from(text), number, isShown(message));
  }

  private report(line: number, reason: BadLineReport['reason']): void {
    this.badLineCount += 1;
    if (this.badLines.length < MAX_REPORTED) this.badLines.push({ line, reason });
  }
}

function promptOf({ role, isSidechain, isMeta, blocks }: Message): string | null {
  if (role !== 'user' || isSidechain || isMeta) return null;
  const texts = blocks.map((block) => (block.type === 'text' ? block.text : '')).filter((text) => text.trim() !== '');
  return texts.length > 0 ? cut(texts.join('\n'), MAX_PROMPT) : null;
}
