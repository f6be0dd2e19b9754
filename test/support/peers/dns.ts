import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

const TYPES: Readonly<Record<number, RecordType>> = { 1: 'A', 16: 'TXT', 28: 'AAAA' };
const NOT_IMPLEMENTED = 4;
const NO_SUCH_NAME = 3;

export type RecordType = 'A' | 'AAAA' | 'TXT';
export type Answers = Readonly<Partial<Record<RecordType, readonly string[]>>>;

/** An authoritative DNS server on a loopback UDP port: answers what its zone says, at the moment it is asked. */
export class DnsPeer {
  /** Every question so far, as `TYPE name`. */
  readonly questions: string[] = [];
  private readonly zone = new Map<string, Answers | (() => Answers)>();

  private constructor(private readonly socket: Socket) {
    socket.on('message', (query, from) => socket.send(this.reply(query), from.port, from.address));
  }

  static async start(): Promise<DnsPeer> {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return new DnsPeer(socket);
  }

  /** `address:port`. */
  get address(): string {
    return `127.0.0.1:${(this.socket.address() as AddressInfo).port}`;
  }

  set(name: string, answers: Answers | (() => Answers)): void {
    this.zone.set(name.toLowerCase(), answers);
  }

  stop(): Promise<void> {
    return new Promise((resolve) => this.socket.close(() => resolve()));
  }

  private reply(query: Buffer): Buffer {
    const { name, type, end } = readQuestion(query);
    const known = TYPES[type];
    this.questions.push(`${known ?? type} ${name}`);
    const entry = this.zone.get(name.toLowerCase());
    const answers = typeof entry === 'function' ? entry() : entry;
    const texts = (known && answers?.[known]) ?? [];
    const code = known === undefined ? NOT_IMPLEMENTED : entry === undefined ? NO_SUCH_NAME : 0;
    const header = Buffer.alloc(12);
    query.copy(header, 0, 0, 2);
    header.writeUInt16BE(0x8580 | code, 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(texts.length, 6);
    return Buffer.concat([header, query.subarray(12, end), ...texts.map((text) => record(type, text))]);
  }
}

function readQuestion(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at]!; length > 0; length = query[at]!) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.'), type: query.readUInt16BE(at + 1), end: at + 5 };
}

/** A resource record that points back at the question's name and may not be cached. */
function record(type: number, text: string): Buffer {
  const data = type === 16 ? textData(text) : addressData(text);
  const head = Buffer.alloc(12);
  head.writeUInt16BE(0xc00c, 0);
  head.writeUInt16BE(type, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

function textData(text: string): Buffer {
  const parts = text.match(/[^]{1,255}/g) ?? [''];
  return Buffer.concat(parts.map((part) => Buffer.concat([Buffer.from([part.length]), Buffer.from(part)])));
}

/** IPv6 must be written out in full. */
function addressData(text: string): Buffer {
  if (!text.includes(':')) return Buffer.from(text.split('.').map(Number));
  return Buffer.from(
    text
      .split(':')
      .map((group) => group.padStart(4, '0'))
      .join(''),
    'hex',
  );
}
