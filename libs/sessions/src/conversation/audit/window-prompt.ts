import { ends } from '../bounded-text.js';
import type { Block, Message } from '../message.js';
import { asJsonText, type ModelPrompt } from '../model-prompt.js';
import { redactJson, redactText } from '../secrets/redact.js';
import type { PatternSet } from '../secrets/pattern-set.js';
import type { Claim } from './claims.js';
import { JUDGE_SYSTEM } from './judge.js';

/** A block longer than this is cut before its secrets are looked for: nobody sees its middle anyway. */
const MAX_SEARCHED = 64_000;
const MAX_BLOCKS = 60;
const MAX_TRANSCRIPT = 120_000;
/** As many as an answer of 4,096 tokens has room for. */
const MAX_CLAIMS = 25;
/** Characters of one block, tried in turn until the whole window fits. */
const BLOCK_SIZES = [3000, 1500, 800, 400, 200];

interface Line {
  readonly lead: string;
  /** Without secrets. Redacted before it was cut, so that no half of one is left. */
  readonly text: string;
}

/** The prompt for one window, made while its messages go by; bounded in size, and without secrets. */
export class WindowPrompt {
  private readonly lines: Line[] = [];
  private readonly claims: Claim[] = [];

  constructor(private readonly secrets: PatternSet) {}

  /** Answers the claims for which there is no room. */
  feed(message: Message, index: number, claims: readonly Claim[]): readonly Claim[] {
    for (const block of message.blocks.slice(0, MAX_BLOCKS)) {
      const line = this.lineOf(message.role, block);
      if (line !== null) this.lines.push({ lead: `${index} ${line.lead}`, text: ends(line.text, BLOCK_SIZES[0]!) });
    }
    const room = MAX_CLAIMS - this.claims.length;
    this.claims.push(...claims.slice(0, room));
    return claims.slice(room);
  }

  /** Null when there is no claim to ask about. */
  finish(): ModelPrompt | null {
    if (this.claims.length === 0) return null;
    const written = (size: number): string =>
      this.lines.map(({ lead, text }) => `${lead} ${asJsonText(ends(text, size))}`).join('\n');
    const size = BLOCK_SIZES.find((most) => this.lengthAt(most) <= MAX_TRANSCRIPT) ?? BLOCK_SIZES.at(-1)!;
    const claims = this.claims.map(({ messageIndex, text }) => `${messageIndex} ${asJsonText(this.clean(text))}`);
    return {
      system: JUDGE_SYSTEM,
      user: `<transcript>\n${ends(written(size), MAX_TRANSCRIPT)}\n</transcript>\n<claims>\n${claims.join('\n')}\n</claims>`,
    };
  }

  /** About as long as the transcript is with blocks of this size: quoting makes text a little longer. */
  private lengthAt(size: number): number {
    return this.lines.reduce((sum, { lead, text }) => sum + lead.length + 1.1 * Math.min(text.length, size) + 4, 0);
  }

  private lineOf(role: string, block: Block): Line | null {
    switch (block.type) {
      case 'text':
      case 'summary':
        return { lead: /^\w{1,20}$/.test(role) ? role : 'unknown', text: this.clean(block.text) };
      case 'tool_use':
        return { lead: 'tool_call', text: `${this.clean(block.name)} ${this.inputText(block.input)}` };
      case 'tool_result':
        return {
          lead: block.isError ? 'tool_error' : 'tool_result',
          text: (block.exitCode === null ? '' : `(exit code ${block.exitCode}) `) + this.clean(block.text),
        };
      case 'thinking':
      case 'other':
        return null;
    }
  }

  /** Small inputs are redacted by the names of their members too. */
  private inputText(input: object): string {
    const json = JSON.stringify(input);
    return json.length > MAX_SEARCHED ? this.clean(json) : JSON.stringify(redactJson(input, this.secrets).value);
  }

  private clean(text: string): string {
    return redactText(ends(text, MAX_SEARCHED), this.secrets).text;
  }
}
