const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/** Takes a line (without its end), or null for one that was too long; its number counts from 1. */
export type LineTaker = (line: Buffer | null, number: number) => void | Promise<void>;

/**
 * Cuts a stream of chunks into lines, of which only the current one is in memory and never more than `maxBytes` of it.
 * Lines of nothing but white space count, but are not given out.
 */
export class Lines {
  private pieces: Uint8Array[] = [];
  private held = 0;
  private isTooLong = false;
  private number = 1;

  constructor(
    private readonly maxBytes: number,
    private readonly take: LineTaker,
  ) {}

  async push(chunk: Uint8Array): Promise<void> {
    for (let from = 0; from < chunk.byteLength;) {
      const at = chunk.indexOf(NEWLINE, from);
      this.hold(chunk.subarray(from, at === -1 ? chunk.byteLength : at));
      if (at === -1) return;
      from = at + 1;
      const taken = this.endLine();
      // A promise per line would cost more than the line.
      if (taken !== undefined) await taken;
    }
  }

  /** The last line need not end. */
  async end(): Promise<void> {
    await this.endLine();
  }

  private hold(piece: Uint8Array): void {
    if (piece.byteLength === 0 || this.isTooLong) return;
    this.held += piece.byteLength;
    this.pieces.push(piece);
    if (this.held <= this.maxBytes) return;
    this.isTooLong = true;
    this.pieces = [];
  }

  private endLine(): void | Promise<void> {
    const { number, isTooLong } = this;
    if (this.held === 0) {
      this.number += 1;
      return undefined;
    }
    const line = isTooLong ? null : trimmed(Buffer.concat(this.pieces), number);
    this.number += 1;
    this.pieces = [];
    this.held = 0;
    this.isTooLong = false;
    if (line === null || line.length > 0) return this.take(line, number);
    return undefined;
  }
}

function trimmed(line: Buffer, number: number): Buffer {
  let from = number === 1 && line.subarray(0, 3).equals(BYTE_ORDER_MARK) ? 3 : 0;
  let to = line.length;
  while (from < to && isBlank(line[from])) from += 1;
  while (to > from && isBlank(line[to - 1])) to -= 1;
  return line.subarray(from, to);
}

/** The four characters that JSON allows around a value. */
const isBlank = (byte: number | undefined): boolean =>
  byte === 0x20 || byte === 0x09 || byte === CARRIAGE_RETURN || byte === NEWLINE;
