import { crc32 } from 'node:zlib';
import { base62, toBase62 } from '#kernel';
import type { PrincipalKind } from '#platform';

const PREFIXES: Readonly<Record<PrincipalKind, string>> = { user_key: 'rhu_', service_key: 'rhs_', repo_token: 'rht_' };
const BODY_LENGTH = 32;
const CHECKSUM_LENGTH = 6;
const SHAPE = /^(rhu|rhs|rht)_[0-9A-Za-z]{38}$/;

/** How many leading characters of a key may be shown again. */
export const VISIBLE_PREFIX = 12;

/** A new raw key: prefix, 32 base62 characters (190 bits), 6 base62 characters of CRC32 over what stands before. */
export function generateKey(kind: PrincipalKind): string {
  const head = PREFIXES[kind] + base62(BODY_LENGTH);
  return head + checksum(head);
}

/** False for anything that cannot be one of our keys; such strings never reach the database. */
export function isWellFormedKey(raw: string): boolean {
  return SHAPE.test(raw) && checksum(raw.slice(0, -CHECKSUM_LENGTH)) === raw.slice(-CHECKSUM_LENGTH);
}

function checksum(head: string): string {
  return toBase62(crc32(head), CHECKSUM_LENGTH);
}
