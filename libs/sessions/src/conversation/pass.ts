import type { Message } from './message.js';

/** One reading of a conversation from its first message to its last, in bounded memory. */
export interface ConversationPass<Result, Part = never> {
  /** A message that is not wanted is not even parsed. */
  wants?(index: number): boolean;
  /** `index` is the message's line in `messages.jsonl`, from 0. */
  feed(message: Message, index: number): void;
  /** What is told after each block, when the result as a whole would be too large to keep; the next block waits. */
  part?(): Part;
  /** What goes back to the main thread: it must survive a structured clone. */
  finish(): Result;
}
