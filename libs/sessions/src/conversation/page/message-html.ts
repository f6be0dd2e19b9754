import { escapeHtml } from '#kernel';
import type { JsonValue } from '../json.js';
import { type Block, type Message, ROLES } from '../message.js';
import { codeHtml, proseHtml } from './prose-html.js';

/** Characters of one message that a page shows; an archive has them all. */
const MAX_SHOWN = 60_000;
const MAX_BLOCKS = 500;
const MAX_LABEL = 100;
const MAX_INDENTED = 20_000;

const NAMES: Readonly<Record<string, string>> = {
  user: 'User',
  assistant: 'Assistant',
  system: 'System',
  developer: 'Developer',
  tool: 'Tool',
};

/** A message as part of a page; every character of it is escaped. `number` is its line in the conversation. */
export function messageHtml(message: Message, number: number): string {
  const room = new Room();
  const blocks = message.blocks.slice(0, MAX_BLOCKS).map((block) => blockHtml(block, room));
  const isCut = room.isFull || message.blocks.length > MAX_BLOCKS;
  const role = (ROLES as readonly string[]).includes(message.role) ? message.role : 'other';
  return `<article class="message ${role}" id="m${number}" dir="auto">
<header><b>${label(NAMES[message.role] ?? message.role)}</b>${timeHtml(message.at)}<a href="#m${number}">#${number}</a></header>
${blocks.join('\n')}${isCut ? '\n<p class="note">The rest of this message is only in the archive.</p>' : ''}
</article>`;
}

/** What is left of a page's patience with one message. */
class Room {
  isFull = false;
  private left = MAX_SHOWN;

  take(text: string): string {
    const shown = text.slice(0, this.left);
    this.left -= shown.length;
    if (shown.length < text.length) this.isFull = true;
    return shown.toWellFormed();
  }
}

function blockHtml(block: Block, room: Room): string {
  switch (block.type) {
    case 'text':
      return proseHtml(room.take(block.text));
    case 'summary':
      return folded('Summary of what came before', proseHtml(room.take(block.text)));
    case 'thinking':
      return folded('Thinking', proseHtml(room.take(block.text)));
    case 'tool_use':
      return folded(`<code>${label(block.name || 'tool')}</code> called`, codeHtml(room.take(pretty(block.input))));
    case 'tool_result': {
      const outcome = block.exitCode === null ? '' : `, exit code ${block.exitCode}`;
      return folded(`${block.isError ? 'Failed result' : 'Result'}${outcome}`, codeHtml(room.take(block.text)));
    }
    case 'other':
      if (block.kind === 'image') return '<p class="note">An image, which is only in the archive.</p>';
      return folded(label(block.kind), codeHtml(room.take(pretty(block.raw))));
  }
}

/** `title` is HTML. */
const folded = (title: string, content: string): string => `<details><summary>${title}</summary>${content}</details>`;

const label = (text: string): string => escapeHtml(text.slice(0, MAX_LABEL).toWellFormed());

/** Indented where that stays small: what is nested deep would grow a hundredfold. */
function pretty(value: JsonValue): string {
  const text = JSON.stringify(value);
  return text.length > MAX_INDENTED ? text : JSON.stringify(value, null, 2);
}

function timeHtml(at: number | null): string {
  if (at === null) return '';
  const iso = new Date(at).toISOString();
  return `<time datetime="${iso}">${iso.slice(0, 16).replace('T', ' ')} UTC</time>`;
}
