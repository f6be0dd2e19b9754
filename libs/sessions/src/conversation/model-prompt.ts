import { isShallow, parseJson, type JsonValue } from './json.js';
import type { PatternSet } from './secrets/pattern-set.js';
import { redactText } from './secrets/redact.js';

/** What a chat model is asked. */
export interface ModelPrompt {
  readonly system: string;
  readonly user: string;
}

/** An answer that cannot be used, and why; never to be taken for an answer without findings. */
export interface AnswerProblem {
  readonly kind: 'problem';
  readonly reason: 'empty_answer' | 'not_json' | 'wrong_shape';
  readonly detail: string;
}

const MAX_ANSWER = 1_000_000;

/** Text of a conversation for a prompt: secrets redacted, and written as one JSON string. */
export function quoted(text: string, set: PatternSet): string {
  return asJsonText(redactText(text, set).text);
}

/** One JSON string: nothing in it can close the quotation and speak to the model as if it were us. */
export function asJsonText(text: string): string {
  return JSON.stringify(text).replaceAll('<', String.raw`\u003c`);
}

/** The JSON in a model's answer: alone, in a code fence, or between other words. */
export function answeredJson(answer: string): { readonly kind: 'json'; readonly value: JsonValue } | AnswerProblem {
  const text = answer.trim();
  if (text === '') return { kind: 'problem', reason: 'empty_answer', detail: 'The model answered nothing.' };
  if (text.length > MAX_ANSWER)
    return { kind: 'problem', reason: 'not_json', detail: `The answer is longer than ${MAX_ANSWER} characters.` };
  for (const candidate of candidates(text)) {
    const value = parseJson(candidate);
    if (value !== undefined && isShallow(value)) return { kind: 'json', value };
  }
  return { kind: 'problem', reason: 'not_json', detail: 'The answer holds no JSON.' };
}

function* candidates(text: string): Generator<string> {
  yield text;
  const fence = text.indexOf('```');
  const fenceEnd = text.lastIndexOf('```');
  if (fence >= 0 && fenceEnd > fence) yield text.slice(fence + 3, fenceEnd).replace(/^[a-z]*\s/i, '');
  for (const [open, close] of ['[]', '{}'] as const) {
    const start = text.indexOf(open ?? '');
    const end = text.lastIndexOf(close ?? '');
    if (start >= 0 && end > start) yield text.slice(start, end + 1);
  }
}
