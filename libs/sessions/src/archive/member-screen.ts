import { JsonDocumentStream, JsonLinesStream } from '../conversation/secrets/stream/json-streams.js';
import { type Screen, TextStream, type TextStreamOptions } from '../conversation/secrets/stream/text-stream.js';

/** A binary shows itself by then. */
const SNIFFED_BYTES = 8_192;

/** What searches a member for secrets: JSON inside its strings, other text as it is; null for a binary. */
export function screenFor(path: string, head: Buffer, options: TextStreamOptions): Screen | null {
  if (path.endsWith('.jsonl')) return new JsonLinesStream(options);
  if (path.endsWith('.json')) return new JsonDocumentStream(options);
  return head.includes(0) ? null : new TextStream(options);
}

/** The same bytes, of which the first chunk is long enough for `screenFor`. */
export async function* withHead(content: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let head: Buffer | null = Buffer.alloc(0);
  for await (const { buffer, byteOffset, byteLength } of content) {
    const chunk = Buffer.from(buffer, byteOffset, byteLength);
    if (head === null) yield chunk;
    else {
      head = Buffer.concat([head, chunk]);
      if (head.length < SNIFFED_BYTES) continue;
      yield head;
      head = null;
    }
  }
  if (head !== null && head.length > 0) yield head;
}
