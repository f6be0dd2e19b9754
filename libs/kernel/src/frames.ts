/** One message of a stream that carries several kinds of them. */
export interface Frame {
  /** One ASCII character. */
  readonly kind: string;
  readonly payload: Buffer;
}

const HEADER_BYTES = 5;
const MAX_PAYLOAD_BYTES = 16 * 1024 * 1024;

/** Kind, length and payload, as `readFrames` takes them apart. */
export function encodeFrame(kind: string, payload: Buffer | string = ''): Buffer {
  const content = typeof payload === 'string' ? Buffer.from(payload) : payload;
  const header = Buffer.alloc(HEADER_BYTES);
  header.write(kind, 'latin1');
  header.writeUInt32BE(content.length, 1);
  return Buffer.concat([header, content]);
}

/** The frames of a byte stream, however it was cut on its way. One that breaks off inside a frame ends without it. */
export async function* readFrames(source: AsyncIterable<Buffer>): AsyncGenerator<Frame> {
  let parts: Buffer[] = [];
  let size = 0;
  let wanted = HEADER_BYTES;
  for await (const chunk of source) {
    parts.push(chunk);
    size += chunk.length;
    if (size < wanted) continue;
    let rest = Buffer.concat(parts, size);
    for (;;) {
      wanted = frameBytes(rest);
      if (rest.length < wanted) break;
      yield { kind: rest.toString('latin1', 0, 1), payload: rest.subarray(HEADER_BYTES, wanted) };
      rest = rest.subarray(wanted);
    }
    parts = [rest];
    size = rest.length;
  }
}

/** Of the frame at the beginning, as far as that is known yet. */
function frameBytes(data: Buffer): number {
  if (data.length < HEADER_BYTES) return HEADER_BYTES;
  const length = data.readUInt32BE(1);
  if (length > MAX_PAYLOAD_BYTES) throw new Error(`A frame of ${length} bytes is none of ours`);
  return HEADER_BYTES + length;
}
