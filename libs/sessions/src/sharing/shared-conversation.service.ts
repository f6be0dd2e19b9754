import { Injectable } from '@nestjs/common';
import { Archives } from '../archive/archives.js';
import type { MessageOrder } from '../archive/message-log-reader.js';
import type { OutwardRules } from '../conversation/secrets/outward.js';
import { ConversationPasses } from '../passes/conversation-passes.js';
import type { SessionVersion } from '../sync/version.js';

export interface SharedPage {
  readonly page: number;
  readonly pageSize: number;
  readonly order: MessageOrder;
}

/** Pages of a conversation without its secrets, made in other threads and streamed: memory does not grow with a page. */
@Injectable()
export class SharedConversation {
  constructor(
    private readonly archives: Archives,
    private readonly passes: ConversationPasses,
  ) {}

  /** How many messages are shown in all, and those of the page, in pieces of `form`. */
  read(
    { messagesDigest, messagesIndex }: SessionVersion,
    { page, pageSize, order }: SharedPage,
    form: 'html' | 'json',
    rules: OutwardRules | null,
  ): { readonly total: number; readonly pieces: AsyncIterable<string> } {
    const reader = this.archives.messages(messagesDigest, messagesIndex);
    const blocks = reader.pageBlocks((page - 1) * pageSize, pageSize, order);
    return { total: reader.shownCount, pieces: this.piecesOf(blocks, form, rules) };
  }

  private async *piecesOf(
    blocks: AsyncIterable<Buffer>,
    form: 'html' | 'json',
    rules: OutwardRules | null,
  ): AsyncGenerator<string> {
    for await (const block of blocks) {
      yield await this.passes.run(`share.${form}`, rules, { blockTexts: () => one(block) });
    }
  }
}

async function* one(block: Buffer): AsyncGenerator<Buffer> {
  yield block;
}
