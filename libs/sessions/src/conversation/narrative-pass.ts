import type { Message } from './message.js';
import type { ModelPrompt } from './model-prompt.js';
import { NarrativeDigest, narrativePrompt } from './narrative.js';
import type { ConversationPass } from './pass.js';
import { type OutwardRules, outwardSet } from './secrets/outward.js';
import type { PatternSet } from './secrets/pattern-set.js';
import { type ConversationSummary, SummaryBuilder, type Workspace } from './summary.js';

export interface NarrativeQuestion {
  readonly summary: ConversationSummary;
  /** Secrets are redacted in it. */
  readonly prompt: ModelPrompt;
}

export interface NarrativeTask {
  readonly workspace: Workspace;
  readonly rules: OutwardRules | null;
}

/** The summary, and what a model is asked to tell beyond it. */
export class NarrativePass implements ConversationPass<NarrativeQuestion> {
  private readonly builder = new SummaryBuilder();
  private readonly secrets: PatternSet;
  private readonly digest: NarrativeDigest;

  constructor(private readonly task: NarrativeTask) {
    this.secrets = outwardSet(task.rules);
    this.digest = new NarrativeDigest(this.secrets);
  }

  feed(message: Message): void {
    this.builder.feed(message);
    this.digest.feed(message);
  }

  finish(): NarrativeQuestion {
    const summary = this.builder.finish(this.task.workspace);
    return { summary, prompt: narrativePrompt(summary, this.digest.finish(), this.secrets) };
  }
}
