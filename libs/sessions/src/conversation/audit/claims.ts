import { excerpt } from '../bounded-text.js';
import type { Message } from '../message.js';
import { sentencesOf } from './prose.js';

const MAX_PER_MESSAGE = 20;
const MAX_CLAIM = 300;

/** Words by which an agent tells of files, commands, tests, packages and code. */
const DEEDS =
  /\b(?:created|wrote|written|added|updated|modified|edited|changed|deleted|removed|renamed|moved|ran|executed|installed|committed|pushed|deployed|fixed|implemented|refactored|verified|confirmed|tested|pass(?:es|ed|ing)?|fail(?:s|ed|ing)?|succeed(?:s|ed)?|complet(?:es|ed)|returns?|returned|contains?|shows?|found|exists?|works?|compiles|builds?|no errors?|green)\b/i;

/** A sentence of the agent that can be true or false, for a judge to look at. */
export interface Claim {
  readonly messageIndex: number;
  readonly text: string;
}

/**
 * The claims in one message: every assertion in the agent's prose right after a tool's result, elsewhere those that
 * tell of a deed. Plans, questions and offers are none.
 */
export function claimsOf(message: Message, messageIndex: number, followsToolResult: boolean): Claim[] {
  if (message.role !== 'assistant' || message.isSidechain || message.isMeta) return [];
  return message.blocks
    .flatMap((block) => (block.type === 'text' ? sentencesOf(block.text) : []))
    .filter(({ clauses, masked }) => clauses.length > 0 && (followsToolResult || DEEDS.test(masked)))
    .slice(0, MAX_PER_MESSAGE)
    .map(({ text }) => ({ messageIndex, text: excerpt(text, MAX_CLAIM) }));
}
