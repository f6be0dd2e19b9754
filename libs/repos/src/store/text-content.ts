import { isUtf8 } from 'node:buffer';

const SNIFF_BYTES = 8192;

export type BlobEncoding = 'utf-8' | 'base64';

/** True when `bytes` cannot be shown as text: a NUL among the first 8,192 bytes, or not valid UTF-8 (contract §8.3). */
export function isBinary(bytes: Buffer): boolean {
  return bytes.subarray(0, SNIFF_BYTES).includes(0) || !isUtf8(bytes);
}

/** `slice` as the API shows it. A byte order mark stays; a code point cut by a range becomes U+FFFD. */
export function encodeContent(slice: Buffer, encoding: BlobEncoding): string {
  return slice.toString(encoding === 'utf-8' ? 'utf8' : 'base64');
}
