import { hash } from 'node:crypto';

/** The tree without entries; git knows it even where no pack holds it. */
export const EMPTY_TREE = '4b825dc642cb6eb9a060e54bf8d69288fbee4904';

const OID = /^[0-9a-f]{40}$/;
const SCRATCH_BYTES = 64 * 1024;
const scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);

/** True for 40 lowercase hex digits, the only spelling of an object id inside the store. */
export function isOid(text: string): boolean {
  return OID.test(text);
}

/** The 20-byte object id of `bytes` as an object of `type`. */
export function hashObject(type: string, bytes: Uint8Array): Buffer {
  const header = `${type} ${bytes.byteLength}\0`;
  // One-shot hashing of header and body in one piece costs half of a streaming hash; copying small bodies is free.
  if (header.length + bytes.byteLength > SCRATCH_BYTES) {
    return hash('sha1', Buffer.concat([Buffer.from(header, 'latin1'), bytes]), 'buffer');
  }
  const start = scratch.write(header, 'latin1');
  scratch.set(bytes, start);
  return hash('sha1', scratch.subarray(0, start + bytes.byteLength), 'buffer');
}
