import type { Message } from '../message.js';
import type { ConversationPass } from '../pass.js';
import { claimsOf } from './claims.js';
import { auditWindows, type AuditWindow } from './windows.js';

/** What there is to judge in a conversation, and where a judge should look. */
export interface Survey {
  readonly messages: number;
  readonly toolCalls: number;
  readonly claims: number;
  readonly windows: readonly AuditWindow[];
  /** The messages inside the windows that follow a tool's result: every assertion in them is a claim. */
  readonly followers: readonly number[];
}

/** Counts claims and tool calls; holds a number for each message. */
export class ClaimSurvey implements ConversationPass<Survey> {
  private readonly claims: number[] = [];
  private readonly followers: number[] = [];
  private messages = 0;
  private toolCalls = 0;
  private followsToolResult = false;

  feed(message: Message, index: number): void {
    this.messages += 1;
    while (this.claims.length < index) this.claims.push(0);
    this.claims[index] = claimsOf(message, index, this.followsToolResult).length;
    if (this.followsToolResult) this.followers.push(index);
    this.toolCalls += message.blocks.filter(({ type }) => type === 'tool_use').length;
    // Side chains run beside the agent's own talk with its tools.
    if (!message.isSidechain) this.followsToolResult = message.blocks.some(({ type }) => type === 'tool_result');
  }

  finish(): Survey {
    const windows = auditWindows(this.claims);
    const isLookedAt = (index: number): boolean => windows.some(({ first, last }) => index >= first && index <= last);
    return {
      messages: this.messages,
      toolCalls: this.toolCalls,
      claims: this.claims.reduce((sum, count) => sum + count, 0),
      windows,
      followers: this.followers.filter(isLookedAt),
    };
  }
}
