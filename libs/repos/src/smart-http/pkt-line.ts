import { DomainError } from '#kernel';

/** One packet of git's wire format. Data keeps its bytes as sent, a trailing newline included. */
export type Pkt = { readonly type: 'data'; readonly data: Buffer } | { readonly type: SpecialPkt };
export type SpecialPkt = 'flush' | 'delim' | 'response-end';

export const FLUSH_PKT = Buffer.from('0000');
export const DELIM_PKT = Buffer.from('0001');

/** Largest payload of one packet, in bytes. */
export const MAX_PKT_DATA = 65_516;

const HEADER = 4;
const SPECIAL: Readonly<Record<number, SpecialPkt>> = { 0: 'flush', 1: 'delim', 2: 'response-end' };

export function pktLine(data: string | Buffer): Buffer {
  const payload = Buffer.isBuffer(data) ? data : Buffer.from(data, 'utf8');
  if (payload.length > MAX_PKT_DATA) throw new RangeError(`A packet holds at most ${MAX_PKT_DATA} bytes`);
  return Buffer.concat([Buffer.from((payload.length + HEADER).toString(16).padStart(4, '0')), payload]);
}

/** The payload as text without its one trailing newline. */
export function pktText(data: Buffer): string {
  return data.toString('utf8', 0, data.at(-1) === 0x0a ? data.length - 1 : data.length);
}

/**
 * The packet at `offset` and where the next one begins, or null when `bytes` ends within it.
 * @throws invalid_input for a length that is not one
 */
export function readPkt(bytes: Buffer, offset: number): { pkt: Pkt; next: number } | null {
  if (bytes.length - offset < HEADER) return null;
  const digits = bytes.toString('latin1', offset, offset + HEADER);
  const length = /^[0-9a-fA-F]{4}$/.test(digits) ? Number.parseInt(digits, 16) : NaN;
  const special = SPECIAL[length];
  if (special) return { pkt: { type: special }, next: offset + HEADER };
  if (!(length >= HEADER && length <= MAX_PKT_DATA + HEADER)) throw malformed();
  if (bytes.length - offset < length) return null;
  return { pkt: { type: 'data', data: bytes.subarray(offset + HEADER, offset + length) }, next: offset + length };
}

/** All packets of a complete message. @throws invalid_input when it is malformed or ends within a packet */
export function parsePkts(bytes: Buffer): Pkt[] {
  const pkts: Pkt[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const read = readPkt(bytes, offset);
    if (!read) throw malformed();
    pkts.push(read.pkt);
    offset = read.next;
  }
  return pkts;
}

/** Takes a stream apart packet by packet as its chunks arrive; holds at most one incomplete packet. */
export class PktReader {
  private pending: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): void {
    this.pending = this.pending.length === 0 ? chunk : Buffer.concat([this.pending, chunk]);
  }

  /** The next complete packet, or null until more is pushed. @throws invalid_input */
  next(): Pkt | null {
    const read = readPkt(this.pending, 0);
    if (!read) return null;
    this.pending = this.pending.subarray(read.next);
    return read.pkt;
  }

  /** What was pushed and not yet read as packets. */
  rest(): Buffer {
    return this.pending;
  }
}

function malformed(): DomainError {
  return new DomainError('invalid_input', 'Malformed pkt-line');
}
