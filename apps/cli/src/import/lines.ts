import { createReadStream } from 'node:fs';

/** A longer line is no message; it is not kept in memory. */
const MAX_LINE_BYTES = 64 * 1_048_576;
const NEWLINE = 0x0a;

/** A JSON object nobody has looked into yet. */
export type Json = Readonly<Record<string, unknown>>;

export const isJson = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export interface Line {
  /** Null for what is not a JSON object. */
  readonly value: Json | null;
}

/** The lines of a JSON-lines file, one at a time; blank ones are left out. */
export async function* readLines(path: string): AsyncGenerator<Line> {
  let [pieces, held]: [Buffer[], number] = [[], 0];
  const line = (): Line | null => {
    const text = held > MAX_LINE_BYTES ? '-' : Buffer.concat(pieces).toString('utf8').trim();
    [pieces, held] = [[], 0];
    return text === '' ? null : { value: parse(text) };
  };
  const take = (piece: Buffer): void => {
    held += piece.length;
    if (held <= MAX_LINE_BYTES) pieces.push(piece);
    else pieces = [];
  };
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, from)) {
      take(chunk.subarray(from, end));
      const whole = line();
      if (whole) yield whole;
      from = end + 1;
    }
    take(chunk.subarray(from));
  }
  const last = line();
  if (last) yield last;
}

function parse(text: string): Json | null {
  try {
    const value: unknown = JSON.parse(text);
    return isJson(value) ? value : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
