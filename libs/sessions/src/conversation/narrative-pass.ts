import type { Message } from './message.js';
import type { ModelPrompt } from './model-prompt.js';
import { NarrativeDigest, narrativePrompt } from './narrative.js';
import type { ConversationPass } from './pass.js';
import { type ConversationSummary, SummaryBuilder, type Workspace } from './summary.js';

export interface NarrativeQuestion {
  readonly summary: ConversationSummary;
  /** Secrets are redacted in it. */
  readonly prompt: ModelPrompt;
}

/** The summary, and what a model is asked to tell beyond it. */
export class NarrativePass implements ConversationPass<NarrativeQuestion> {
  private readonly builder = new SummaryBuilder();
  private readonly digest = new NarrativeDigest();

  constructor(private readonly workspace: Workspace) {}

  feed(message: Message): void {
    this.builder.feed(message);
    this.digest.feed(message);
  }

  finish(): NarrativeQuestion {
    const summary = this.builder.finish(this.workspace);
    return { summary, prompt: narrativePrompt(summary, this.digest.finish()) };
  }
}
