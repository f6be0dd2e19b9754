import type { JsonObject } from '../json.js';
import { type Message, messageOf } from '../message.js';
import type { ConversationPass } from '../pass.js';
import { FOR_STRANGERS } from '../secrets/pattern-set.js';
import { redactJson } from '../secrets/redact.js';
import { messageHtml } from './message-html.js';

const redacted = ({ raw }: Message): JsonObject => redactJson(raw, FOR_STRANGERS).value as JsonObject;

/** Messages without their secrets, as members of a JSON list. */
export class SharedJsonPass implements ConversationPass<string> {
  private readonly parts: string[] = [];

  feed(message: Message): void {
    this.parts.push(JSON.stringify(redacted(message)));
  }

  finish(): string {
    return this.parts.join(',');
  }
}

/** Messages without their secrets, as parts of a page. */
export class SharedHtmlPass implements ConversationPass<string> {
  private readonly parts: string[] = [];

  feed(message: Message, index: number): void {
    this.parts.push(messageHtml(messageOf(redacted(message)), index + 1));
  }

  finish(): string {
    return this.parts.join('\n');
  }
}
