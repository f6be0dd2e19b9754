import { isUtf8 } from 'node:buffer';

export const SNIFF_BYTES = 8192;

export type BlobEncoding = 'utf-8' | 'base64';

/** True when `bytes` cannot be shown as text: a NUL among the first 8,192 bytes, or not valid UTF-8 (contract §8.3). */
export function isBinary(bytes: Buffer): boolean {
  return bytes.subarray(0, SNIFF_BYTES).includes(0) || !isUtf8(bytes);
}

/** As isBinary, for the first SNIFF_BYTES of a longer file: the cut may go through a character. */
export function looksBinary(beginning: Buffer): boolean {
  if (beginning.includes(0)) return true;
  return ![0, 1, 2, 3].some((cut) => isUtf8(beginning.subarray(0, beginning.length - cut)));
}

/** `slice` as the API shows it. A byte order mark stays; a code point cut by a range becomes U+FFFD. */
export function encodeContent(slice: Buffer, encoding: BlobEncoding): string {
  return slice.toString(encoding === 'utf-8' ? 'utf8' : 'base64');
}
