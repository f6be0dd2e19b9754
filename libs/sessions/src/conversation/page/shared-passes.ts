import type { JsonObject } from '../json.js';
import { type Message, messageOf } from '../message.js';
import type { ConversationPass } from '../pass.js';
import { type OutwardRules, outwardSet } from '../secrets/outward.js';
import type { PatternSet } from '../secrets/pattern-set.js';
import { redactJson } from '../secrets/redact.js';
import { messageHtml } from './message-html.js';

const redacted = ({ raw }: Message, secrets: PatternSet): JsonObject => redactJson(raw, secrets).value as JsonObject;

/** Messages without their secrets, as members of a JSON list. */
export class SharedJsonPass implements ConversationPass<string> {
  private readonly parts: string[] = [];
  private readonly secrets: PatternSet;

  constructor(rules: OutwardRules | null) {
    this.secrets = outwardSet(rules);
  }

  feed(message: Message): void {
    this.parts.push(JSON.stringify(redacted(message, this.secrets)));
  }

  finish(): string {
    return this.parts.join(',');
  }
}

/** Messages without their secrets, as parts of a page. */
export class SharedHtmlPass implements ConversationPass<string> {
  private readonly parts: string[] = [];
  private readonly secrets: PatternSet;

  constructor(rules: OutwardRules | null) {
    this.secrets = outwardSet(rules);
  }

  feed(message: Message, index: number): void {
    this.parts.push(messageHtml(messageOf(redacted(message, this.secrets)), index + 1));
  }

  finish(): string {
    return this.parts.join('\n');
  }
}
