import { randomBytes } from 'node:crypto';

const URL_SAFE = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-';
const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** A random id of `length` characters over `[A-Za-z0-9_-]`; 21 characters carry 126 bits. */
export function urlSafeId(length = 21): string {
  let id = '';
  for (const byte of randomBytes(length)) id += URL_SAFE[byte & 63];
  return id;
}

/** `length` uniformly drawn base62 characters (rejection sampling, no modulo bias). */
export function base62(length: number): string {
  let out = '';
  while (out.length < length) {
    for (const byte of randomBytes(length)) {
      if (byte < 248 && out.length < length) out += BASE62[byte % 62];
    }
  }
  return out;
}

/** A non-negative integer below 62^width in fixed-width base62. */
export function toBase62(value: number, width: number): string {
  let out = '';
  for (let rest = value; out.length < width; rest = Math.floor(rest / 62)) out = BASE62[rest % 62] + out;
  return out;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Whether the database takes `text` as a UUID; anything else must not reach it. */
export function isUuid(text: string): boolean {
  return UUID.test(text);
}

/** A random wire id of the captured surface: `prefix` and 16 hexadecimal digits, e.g. `org_…`. */
export function prefixedId(prefix: string): string {
  return prefix + randomBytes(8).toString('hex');
}
