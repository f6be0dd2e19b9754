import { domainToASCII } from 'node:url';
import { base62 } from '#kernel';

/** An e-mail domain that an organisation says is its own. */
export interface SsoDomain {
  readonly orgId: string;
  readonly domain: string;
  /** The TXT record that proves it. */
  readonly challenge: string;
  readonly verifiedAt: Date | null;
  readonly verifiedBy: 'dns' | 'admin' | null;
  readonly createdAt: Date;
}

const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** The domain in lowercase ASCII; null for what cannot be one (addresses and single labels included). */
export function normaliseDomain(text: string): string | null {
  if (text.length > 253) return null;
  const ascii = domainToASCII(text.trim().replace(/\.$/, '')).toLowerCase();
  const labels = ascii.split('.');
  const isDomain = labels.length > 1 && ascii.length <= 253 && labels.every((label) => LABEL.test(label));
  return isDomain && !/^\d+$/.test(labels.at(-1) ?? '') ? ascii : null;
}

/** What follows the last @. */
export function domainOf(email: string): string | null {
  const at = email.lastIndexOf('@');
  return at < 1 ? null : normaliseDomain(email.slice(at + 1));
}

export const newChallenge = (): string => `roundhouse-domain-verification=${base62(32)}`;

/** Where the challenge is to stand: a name of its own leaves the domain's other records alone. */
export const challengeName = (domain: string): string => `_roundhouse-challenge.${domain}`;
