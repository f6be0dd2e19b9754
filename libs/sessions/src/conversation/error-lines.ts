import { excerpt, plainOutput } from './bounded-text.js';

const ERROR_LINE =
  /^[ \t]{0,8}(?:[A-Za-z_.]{0,80}(?:Error|Exception)\b(?: \[[^\]\n]{0,60}\])?:|FAILED\b|Traceback\b|Exception:|error(?:\[E\d{1,6}\]| TS\d{1,6})?:|fatal:|npm (?:ERR!|error) |panic:)/;
const BENIGN = /Error: +\(?(?:none|null|0)\)?$|^FAILED +\(?0\)?$/i;
const MIN_LENGTH = 15;
const MAX_LENGTH = 200;

/** The lines that say what went wrong, distinct, one line of at most 200 characters each, `limit` of them (§7.12). */
export function errorLines(output: string, limit: number): string[] {
  const found = new Set<string>();
  for (const line of plainOutput(output).split('\n')) {
    if (found.size >= limit) break;
    if (!ERROR_LINE.test(line) || BENIGN.test(line.trim())) continue;
    const text = excerpt(line, MAX_LENGTH);
    if (text.length > MIN_LENGTH) found.add(text);
  }
  return [...found];
}
