import type { Message } from '../message.js';
import type { ModelPrompt } from '../model-prompt.js';
import type { ConversationPass } from '../pass.js';
import { type OutwardRules, outwardSet } from '../secrets/outward.js';
import { type Claim, claimsOf } from './claims.js';
import type { Survey } from './claim-survey.js';
import { WindowPrompt } from './window-prompt.js';
import type { AuditWindow } from './windows.js';

export interface PromptTask extends Pick<Survey, 'windows' | 'followers'> {
  readonly rules: OutwardRules | null;
}

export interface JudgeQuestions {
  readonly questions: readonly { readonly window: AuditWindow; readonly prompt: ModelPrompt }[];
  /** The claims they ask about: each is asked about once. */
  readonly claims: number;
}

/** Asks about the windows of a survey; only the messages inside them are read. */
export class JudgePrompts implements ConversationPass<JudgeQuestions> {
  private readonly windows: { window: AuditWindow; prompt: WindowPrompt }[];
  private readonly followers: ReadonlySet<number>;
  private claims = 0;

  constructor({ windows, followers, rules }: PromptTask) {
    const secrets = outwardSet(rules);
    this.windows = windows.map((window) => ({ window, prompt: new WindowPrompt(secrets) }));
    this.followers = new Set(followers);
  }

  wants(index: number): boolean {
    return this.at(index).length > 0;
  }

  feed(message: Message, index: number): void {
    const found = claimsOf(message, index, this.followers.has(index));
    let left: readonly Claim[] = found;
    // Where windows overlap, the first one knows more of what was done before.
    for (const { prompt } of this.at(index)) left = prompt.feed(message, index, left);
    this.claims += found.length - left.length;
  }

  finish(): JudgeQuestions {
    const asked = this.windows.map(({ window, prompt }) => ({ window, prompt: prompt.finish() }));
    const questions = asked.flatMap(({ window, prompt }) => (prompt === null ? [] : [{ window, prompt }]));
    return { questions, claims: this.claims };
  }

  private at(index: number): typeof this.windows {
    return this.windows.filter(({ window }) => index >= window.first && index <= window.last);
  }
}
