import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Clock } from '#kernel';
import { Database } from '../database/database.js';
import { RateCountsRepository } from './rate-counts.repository.js';
import { SlidingWindow, type WindowHits } from './sliding-window.js';
import type { Rate } from './tier-limits.js';

const MINUTE = 60_000;
const HOUR = 3_600_000;
const MAX_BUCKETS = 100_000;
const RECONCILE_MS = 1_000;
const SWEEP_EVERY = 60;
/** Buckets of one statement; the rest follows in the next. */
const BATCH = 5_000;
/** The part of a limit that one node may admit before it asks the others: two nodes stay within 10 % above it. */
const BLIND_SHARE = 1 / 20;

/** A bucket and what it may hold; null is unlimited. */
export interface Limit {
  readonly bucket: string;
  readonly rate: Rate | null;
}

interface Bucket {
  readonly minute: SlidingWindow;
  readonly hour: SlidingWindow;
}

/**
 * Counters of requests per bucket, kept in memory and reconciled with the other nodes each second in one statement.
 * A bucket that fills faster than that is reconciled before it admits more. Without the database each node goes on
 * with what it knows.
 */
@Injectable()
export class RateBuckets implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger(RateBuckets.name);
  // Sized rather than counted: `max` would take the memory of a full cache at the start.
  private readonly buckets = new LRUCache<string, Bucket>({ maxSize: MAX_BUCKETS, sizeCalculation: () => 1 });
  private readonly dirty = new Set<string>();
  private running: Promise<boolean> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private rounds = 0;

  constructor(
    private readonly db: Database,
    private readonly counts: RateCountsRepository,
    private readonly clock: Clock,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.tick(), RECONCILE_MS).unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.reconcile();
  }

  count(name: string): void {
    const bucket = this.bucket(name);
    const now = this.clock.now();
    bucket.minute.add(now);
    bucket.hour.add(now);
    this.dirty.add(name);
  }

  /** Requests of the last minute. */
  used(name: string): number {
    return this.buckets.get(name)?.minute.count(this.clock.now()) ?? 0;
  }

  /** Milliseconds until the rate admits another request; 0 when it does now. */
  waitFor(name: string, rate: Rate): number {
    const bucket = this.buckets.get(name);
    if (!bucket) return 0;
    const now = this.clock.now();
    return Math.max(bucket.minute.waitFor(rate.perMinute, now), bucket.hour.waitFor(rate.perHour, now));
  }

  /**
   * Runs `decide` once no bucket has admitted more than a small share of its rate unseen by the other nodes, or when
   * that cannot be told. Nothing else runs between that check and the decision.
   */
  async whenCurrent(limits: readonly Limit[], decide: () => void): Promise<void> {
    while (limits.some((limit) => this.isBehind(limit))) {
      if (!(await (this.running ?? this.reconcile()))) break;
    }
    decide();
  }

  /** Tells the other nodes what was counted here and learns what they counted. False when that failed. */
  async reconcile(): Promise<boolean> {
    // One at a time: a total must not be learnt twice, nor overtaken by an older one.
    while (this.running) await this.running;
    if (this.dirty.size === 0) return true;
    this.running = this.exchange().finally(() => (this.running = undefined));
    return this.running;
  }

  private isBehind({ bucket, rate }: Limit): boolean {
    const unreported = (rate && this.buckets.get(bucket)?.minute.unreportedHits) ?? 0;
    return rate !== null && unreported > 0 && unreported >= Math.min(rate.perMinute, rate.perHour) * BLIND_SHARE;
  }

  private async exchange(): Promise<boolean> {
    const names = [...this.dirty].slice(0, BATCH);
    const reports = names.flatMap((name) => this.report(name));
    for (const name of names) this.dirty.delete(name);
    try {
      for (const total of await this.db.detached(() => this.counts.add(reports))) this.windowOf(total)?.learn(total);
      return true;
    } catch (error) {
      this.log.warn({ msg: 'request counters could not be reconciled', err: error });
      for (const report of reports) this.windowOf(report)?.takeBack(report);
      for (const name of names) this.dirty.add(name);
      return false;
    }
  }

  private report(name: string): (WindowHits & { bucket: string; length: number })[] {
    const bucket = this.buckets.get(name);
    if (!bucket) return [];
    const now = this.clock.now();
    return [bucket.minute, bucket.hour].flatMap((window) =>
      window.report(now).map((hits) => ({ ...hits, bucket: name, length: window.lengthMs })),
    );
  }

  private windowOf({ bucket, length }: { bucket: string; length: number }): SlidingWindow | undefined {
    const known = this.buckets.get(bucket);
    return length === MINUTE ? known?.minute : known?.hour;
  }

  private bucket(name: string): Bucket {
    let bucket = this.buckets.get(name);
    if (!bucket) {
      bucket = { minute: new SlidingWindow(MINUTE), hour: new SlidingWindow(HOUR) };
      this.buckets.set(name, bucket);
    }
    return bucket;
  }

  private async tick(): Promise<void> {
    await this.reconcile();
    this.rounds += 1;
    if (this.rounds % SWEEP_EVERY !== 0) return;
    try {
      await this.counts.removeBefore(this.clock.now());
    } catch (error) {
      this.log.warn({ msg: 'old request counters could not be removed', err: error });
    }
  }
}
