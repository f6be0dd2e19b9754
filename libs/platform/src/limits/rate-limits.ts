import { isIPv6 } from 'node:net';
import { Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { Clock, DomainError } from '#kernel';
import { presentedCredential } from '../access/presented-credential.js';
import type { Principal } from '../access/principal.js';
import { AppConfig } from '../config/app-config.js';
import { dialectOf } from '../http/dialects.js';
import { type Limit, RateBuckets } from './rate-buckets.js';
import { ANONYMOUS_RATE, ratesFor } from './tier-limits.js';

/** What an unlimited caller reads in X-RateLimit-Limit: clients that compute with it never throttle themselves. */
const UNLIMITED = 2_147_483_647;
const EXCEEDED = 'Rate limit exceeded';
const GUESSING = 'Too many failed authentications. Try again later.';
/** The part of a key that lists show. */
const KEY_PREFIX = /^rh[ust]_[0-9A-Za-z]{8}/;

/** Request limits per key, account and address (coregit.md §25), shared by all nodes. Rejected calls do not count. */
@Injectable()
export class RateLimits {
  constructor(
    private readonly buckets: RateBuckets,
    private readonly clock: Clock,
    private readonly config: AppConfig,
  ) {}

  /** Counts one request of an identified caller and sets the rate headers. Errors: `rate_limited`. */
  async admit(request: Request, principal: Principal): Promise<void> {
    const dialect = dialectOf(request).name;
    const rates = ratesFor(principal.tier, dialect);
    const key = { bucket: `key:${dialect}:${principal.keyId}`, rate: rates.key };
    const account = { bucket: `account:${dialect}:${principal.accountId}`, rate: rates.account };
    await this.buckets.whenCurrent([key, account], () => {
      this.setHeaders(request, 'X-RateLimit', key);
      this.assertUnder(key, EXCEEDED);
      if (this.isFull(account)) this.setHeaders(request, 'X-Org-RateLimit', account);
      this.assertUnder(account, 'Organization rate limit exceeded');
      this.count(key);
      this.count(account);
      this.setHeaders(request, 'X-RateLimit', key);
    });
  }

  /** Counts one request without a credential against its address. Errors: `rate_limited`. */
  async admitAnonymous(request: Request): Promise<void> {
    const address = { bucket: `address:${request.ip}`, rate: ANONYMOUS_RATE };
    await this.buckets.whenCurrent([address], () => {
      this.setHeaders(request, 'X-RateLimit', address);
      this.assertUnder(address, EXCEEDED);
      this.count(address);
      this.setHeaders(request, 'X-RateLimit', address);
    });
  }

  /** Refuses an address that failed to authenticate too often; always on, whatever the tier. */
  async assertNotGuessing(request: Request): Promise<void> {
    const perMinute = this.config.AUTH_FAILURE_LIMIT_PER_MINUTE;
    const failed = { bucket: failures(request), rate: { perMinute, perHour: perMinute * 60 } };
    await this.buckets.whenCurrent([failed], () => this.assertUnder(failed, GUESSING));
  }

  /**
   * Counts a failed authentication against its address and against the visible part of the key that was tried: guesses
   * at one key from many addresses. Only guesses are refused for that, never the key itself. Errors: `rate_limited`.
   */
  async recordFailedAuth(request: Request): Promise<void> {
    this.buckets.count(failures(request));
    const prefix = KEY_PREFIX.exec(presentedCredential(request) ?? '')?.[0];
    if (prefix === undefined) return;
    const perMinute = this.config.AUTH_FAILURE_LIMIT_PER_MINUTE;
    const failed = { bucket: `failed-key:${prefix}`, rate: { perMinute, perHour: perMinute * 60 } };
    await this.buckets.whenCurrent([failed], () => {
      this.assertUnder(failed, GUESSING);
      this.count(failed);
    });
  }

  /** Sign-up attempts, failures included (sessionfs-1.md §3.3). Errors: `rate_limited`. */
  async admitSignup(request: Request): Promise<void> {
    const perHour = this.config.SIGNUP_LIMIT_PER_HOUR;
    const signups = { bucket: `signup:${networkOf(request)}`, rate: { perMinute: perHour, perHour } };
    await this.buckets.whenCurrent([signups], () => {
      this.assertUnder(signups, 'Too many signup attempts. Try again later.');
      this.count(signups);
    });
  }

  private count({ bucket, rate }: Limit): void {
    if (rate) this.buckets.count(bucket);
  }

  private isFull({ bucket, rate }: Limit): boolean {
    return rate !== null && this.buckets.waitFor(bucket, rate) > 0;
  }

  private assertUnder({ bucket, rate }: Limit, message: string): void {
    const wait = rate ? this.buckets.waitFor(bucket, rate) : 0;
    if (wait === 0) return;
    throw new DomainError('rate_limited', message, {
      headers: { 'Retry-After': String(Math.max(1, Math.ceil(wait / 1000))) },
    });
  }

  private setHeaders(request: Request, prefix: string, { bucket, rate }: Limit): void {
    const limit = rate?.perMinute ?? UNLIMITED;
    const left = rate ? Math.max(0, limit - this.buckets.used(bucket)) : limit;
    request.res?.setHeader(`${prefix}-Limit`, String(limit));
    request.res?.setHeader(`${prefix}-Remaining`, String(left));
    if (prefix !== 'X-RateLimit') return;
    request.res?.setHeader(`${prefix}-Reset`, String(Math.floor(this.clock.now() / 1000) + 60));
  }
}

const failures = (request: Request): string => `failed:${networkOf(request)}`;

/** An IPv4 address, or the /64 of an IPv6 one: whoever has one address of it has them all. */
export function networkOf({ ip }: Pick<Request, 'ip'>): string {
  const address = ip ?? '';
  if (!isIPv6(address) || address.toLowerCase().startsWith('::ffff:')) return address;
  const [head = '', tail = ''] = address.split('::');
  const groups = (text: string): string[] => text.split(':').filter((group) => group !== '');
  const missing = Math.max(0, 8 - groups(head).length - groups(tail).length);
  return [...groups(head), ...Array<string>(missing).fill('0'), ...groups(tail)].slice(0, 4).join(':');
}
