import { crc32, deflateRawSync } from 'node:zlib';

/** One entry of an archive; what is said of it need not be true. */
export interface ZipEntry {
  /** A directory's ends with a slash. */
  readonly name: string;
  readonly content?: string | Buffer;
  /** As a Unix system records it, type included. */
  readonly mode?: number;
  readonly isEncrypted?: boolean;
  readonly isStored?: boolean;
  readonly method?: number;
  readonly declaredBytes?: number;
  readonly checksum?: number;
}

const UTF8 = 0x800;

/** A zip archive, written by the format's description so that a test can have in it what no tool would write. */
export function zip(entries: readonly ZipEntry[]): Buffer {
  const bodies: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const entry of entries) {
    const name = Buffer.from(entry.name);
    const content = Buffer.from(entry.content ?? '');
    const body = entry.isStored ? content : deflateRawSync(content);
    const facts = Buffer.alloc(26);
    facts.writeUInt16LE(20, 0);
    facts.writeUInt16LE(UTF8 | (entry.isEncrypted ? 1 : 0), 2);
    facts.writeUInt16LE(entry.method ?? (entry.isStored ? 0 : 8), 4);
    facts.writeUInt32LE(0x00_21_00_00, 6);
    facts.writeUInt32LE(entry.checksum ?? crc32(content), 10);
    facts.writeUInt32LE(body.length, 14);
    facts.writeUInt32LE(entry.declaredBytes ?? content.length, 18);
    facts.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from('PK\u0003\u0004', 'latin1'), facts, name, body]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(((entry.mode ?? 0) << 16) >>> 0, 6);
    tail.writeUInt32LE(at, 10);
    directory.push(Buffer.from('PK\u0001\u0002\u0014\u0003', 'latin1'), facts, tail, name);
    bodies.push(local);
    at += local.length;
  }
  const table = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\u0005\u0006', 'latin1');
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(table.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...bodies, table, end]);
}
