import { DomainError } from '#kernel';

const MEBIBYTE = 1_048_576;

/** Standard alphabet, no whitespace, padding optional. Length rules are checked apart. */
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/**
 * The bytes of a base64 text, or null when it is not base64 (contract 4.1). Padding may be left out but not be partial;
 * surplus bits of the last character are dropped, as in browsers.
 */
export function decodeBase64(text: string): Buffer | null {
  if (!BASE64.test(text)) return null;
  const isPadded = text.endsWith('=');
  if (isPadded ? text.length % 4 !== 0 : text.length % 4 === 1) return null;
  return Buffer.from(text, 'base64');
}

/** Throws `payload_too_large` with limit, size and path (contract 4.1) when a file would be larger than allowed. */
export function assertFileSize(actualBytes: number, path: string, maxFileBytes: number): void {
  if (actualBytes <= maxFileBytes) return;
  const limit = maxFileBytes % MEBIBYTE === 0 ? `${maxFileBytes / MEBIBYTE} MB` : `${maxFileBytes} byte`;
  throw new DomainError('payload_too_large', `File content exceeds ${limit} limit: ${path}`, {
    details: { limit_bytes: maxFileBytes, actual_bytes: actualBytes, path },
    field: 'content',
  });
}
