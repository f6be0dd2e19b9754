import type { Finding } from '../conversation/secrets/pattern.js';
import { redactJsonText } from '../conversation/secrets/redact-json-text.js';
import { redactText } from '../conversation/secrets/redact.js';
import { patternsOf, type SearchRules } from './dlp-screen.js';

export interface TextTask {
  readonly rules: SearchRules;
  /** Redact inside the strings, so that it stays JSON. */
  readonly isJson: boolean;
}

export interface ScreenedText {
  readonly text: string;
  readonly count: number;
  /** The first of them. */
  readonly findings: readonly Finding[];
}

const MAX_FINDINGS = 1_000;

/** Searches one text of moderate size, which comes as UTF-8. Blocks its thread meanwhile: meant for a worker. */
export async function screenText(
  source: AsyncIterable<Uint8Array>,
  { rules, isJson }: TextTask,
): Promise<ScreenedText> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  const redact = isJson ? redactJsonText : redactText;
  const { text, findings } = redact(Buffer.concat(chunks).toString('utf8'), patternsOf(rules));
  return { text, count: findings.length, findings: findings.slice(0, MAX_FINDINGS) };
}
