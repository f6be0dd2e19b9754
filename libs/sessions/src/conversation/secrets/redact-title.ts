import { FOR_STRANGERS, type PatternSet } from './pattern-set.js';
import { redactText } from './redact.js';

/** Titles are shown in lists, mails and on shared pages. */
export const redactTitle = (text: string, secrets: PatternSet = FOR_STRANGERS): string =>
  redactText(text, secrets).text.replace(/\[REDACTED:[\w .-]+\]/g, '[redacted]');
