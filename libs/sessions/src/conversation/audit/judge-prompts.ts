import type { Message } from '../message.js';
import type { ModelPrompt } from '../model-prompt.js';
import type { ConversationPass } from '../pass.js';
import { claimsOf } from './claims.js';
import type { Survey } from './claim-survey.js';
import { WindowPrompt } from './window-prompt.js';

export type PromptSpots = Pick<Survey, 'windows' | 'followers'>;

/** The prompts for the windows of a survey, in their order; only the messages inside them are read. */
export class JudgePrompts implements ConversationPass<ModelPrompt[]> {
  private readonly windows: { first: number; last: number; prompt: WindowPrompt }[];
  private readonly followers: ReadonlySet<number>;

  constructor({ windows, followers }: PromptSpots) {
    this.windows = windows.map(({ first, last }) => ({ first, last, prompt: new WindowPrompt() }));
    this.followers = new Set(followers);
  }

  wants(index: number): boolean {
    return this.at(index).length > 0;
  }

  feed(message: Message, index: number): void {
    const claims = claimsOf(message, index, this.followers.has(index));
    for (const { prompt } of this.at(index)) prompt.feed(message, index, claims);
  }

  finish(): ModelPrompt[] {
    return this.windows.map(({ prompt }) => prompt.finish());
  }

  private at(index: number): typeof this.windows {
    return this.windows.filter(({ first, last }) => index >= first && index <= last);
  }
}
