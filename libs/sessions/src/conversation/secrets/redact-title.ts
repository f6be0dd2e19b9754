import { FOR_STRANGERS } from './pattern-set.js';
import { redactText } from './redact.js';

/** Titles are shown in lists, mails and on shared pages. */
export const redactTitle = (text: string): string =>
  redactText(text, FOR_STRANGERS).text.replace(/\[REDACTED:\w+\]/g, '[redacted]');
