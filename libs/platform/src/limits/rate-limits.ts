import { Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { LRUCache } from 'lru-cache';
import { Clock, DomainError } from '#kernel';
import type { Principal } from '../access/principal.js';
import { AppConfig } from '../config/app-config.js';
import { dialectOf } from '../http/dialects.js';
import { SlidingWindow } from './sliding-window.js';
import { ANONYMOUS_RATE, type Rate, ratesFor } from './tier-limits.js';

const MINUTE = 60_000;
const HOUR = 3_600_000;
const MAX_BUCKETS = 100_000;
/** What an unlimited caller reads in X-RateLimit-Limit: clients that compute with it never throttle themselves. */
const UNLIMITED = 2_147_483_647;

class Bucket {
  readonly minute = new SlidingWindow(MINUTE);
  readonly hour = new SlidingWindow(HOUR);
}

/** Request limits per key, account and address (coregit.md §25), counted in this process. Rejected calls do not count. */
@Injectable()
export class RateLimits {
  private readonly buckets = new LRUCache<string, Bucket>({ max: MAX_BUCKETS });

  constructor(
    private readonly clock: Clock,
    private readonly config: AppConfig,
  ) {}

  /** Counts one request of an identified caller and sets the rate headers; throws `rate_limited` over the limit. */
  admit(request: Request, principal: Principal): void {
    const dialect = dialectOf(request).name;
    const rates = ratesFor(principal.tier, dialect);
    const key = `key:${dialect}:${principal.keyId}`;
    const account = `account:${dialect}:${principal.accountId}`;
    const now = this.clock.now();
    this.setHeaders(request, 'X-RateLimit', rates.key, key, now);
    this.assertUnder(rates.key, key, 'Rate limit exceeded', now);
    if (this.isOver(rates.account, account, now)) {
      this.setHeaders(request, 'X-Org-RateLimit', rates.account, account, now);
      this.assertUnder(rates.account, account, 'Organization rate limit exceeded', now);
    }
    if (rates.key) this.count(key, now);
    if (rates.account) this.count(account, now);
    this.setHeaders(request, 'X-RateLimit', rates.key, key, now);
  }

  /** Counts one request without a credential against its address. */
  admitAnonymous(request: Request): void {
    const key = `address:${request.ip}`;
    const now = this.clock.now();
    this.assertUnder(ANONYMOUS_RATE, key, 'Rate limit exceeded', now);
    this.count(key, now);
    this.setHeaders(request, 'X-RateLimit', ANONYMOUS_RATE, key, now);
  }

  /** Refuses an address that failed to authenticate too often; always on, whatever the tier. */
  assertNotGuessing(request: Request): void {
    const limit = this.config.AUTH_FAILURE_LIMIT_PER_MINUTE;
    const rate = { perMinute: limit, perHour: limit * 60 };
    this.assertUnder(
      rate,
      `failed:${request.ip}`,
      'Too many failed authentications. Try again later.',
      this.clock.now(),
    );
  }

  recordFailedAuth(request: Request): void {
    this.count(`failed:${request.ip}`, this.clock.now());
  }

  /** Sign-up attempts, failures included (sessionfs-1.md §3.3). */
  admitSignup(request: Request): void {
    const key = `signup:${request.ip}`;
    const limit = this.config.SIGNUP_LIMIT_PER_HOUR;
    const now = this.clock.now();
    this.assertUnder({ perMinute: limit, perHour: limit }, key, 'Too many signup attempts. Try again later.', now);
    this.count(key, now);
  }

  private isOver(rate: Rate | null, key: string, now: number): boolean {
    const bucket = this.buckets.get(key);
    return !!rate && !!bucket && (bucket.minute.count(now) >= rate.perMinute || bucket.hour.count(now) >= rate.perHour);
  }

  private assertUnder(rate: Rate | null, key: string, message: string, now: number): void {
    if (!rate || !this.isOver(rate, key, now)) return;
    const bucket = this.bucket(key);
    const wait =
      bucket.minute.count(now) >= rate.perMinute
        ? bucket.minute.waitFor(rate.perMinute, now)
        : bucket.hour.waitFor(rate.perHour, now);
    throw new DomainError('rate_limited', message, {
      headers: { 'Retry-After': String(Math.max(1, Math.ceil(wait / 1000))) },
    });
  }

  private setHeaders(request: Request, prefix: string, rate: Rate | null, key: string, now: number): void {
    const used = rate ? this.bucket(key).minute.count(now) : 0;
    const limit = rate?.perMinute ?? UNLIMITED;
    request.res?.setHeader(`${prefix}-Limit`, String(limit));
    request.res?.setHeader(`${prefix}-Remaining`, String(Math.max(0, limit - used)));
    if (prefix === 'X-RateLimit') request.res?.setHeader(`${prefix}-Reset`, String(Math.floor(now / 1000) + 60));
  }

  private count(key: string, now: number): void {
    const bucket = this.bucket(key);
    bucket.minute.add(now);
    bucket.hour.add(now);
  }

  private bucket(key: string): Bucket {
    let bucket = this.buckets.get(key);
    if (!bucket) {
      bucket = new Bucket();
      this.buckets.set(key, bucket);
    }
    return bucket;
  }
}
