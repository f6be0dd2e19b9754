import type { Message } from './message.js';
import type { ConversationPass } from './pass.js';
import { type ConversationSummary, SummaryBuilder, type Workspace } from './summary.js';

/** The deterministic summary of a stored conversation. */
export class SummaryPass implements ConversationPass<ConversationSummary> {
  private readonly builder = new SummaryBuilder();

  constructor(private readonly workspace: Workspace) {}

  feed(message: Message): void {
    this.builder.feed(message);
  }

  finish(): ConversationSummary {
    return this.builder.finish(this.workspace);
  }
}
