/** Hits of one fixed window, as they travel between this process and the shared counters. */
export interface WindowHits {
  /** Milliseconds since the Unix epoch; a multiple of the window's length. */
  readonly start: number;
  readonly hits: number;
}

/**
 * A sliding-window counter: the current fixed window plus the part of the previous one that still overlaps. Windows lie
 * on multiples of their length, so that all nodes count in the same ones. Hits are counted here at once; what was not
 * yet reported to the shared counters is kept apart, and `learn` takes their totals in.
 */
export class SlidingWindow {
  private current = 0;
  private previous = 0;
  private start = 0;
  private unreported = 0;
  private unreportedPrevious = 0;

  constructor(readonly lengthMs: number) {}

  /** Estimated hits in the window ending at `now`. */
  count(now: number): number {
    this.roll(now);
    // Multiplied first: a share such as 0.2 is none that a number holds exactly, and a hit would be lost by rounding.
    const left = this.start + this.lengthMs - now;
    return Math.floor((this.previous * left) / this.lengthMs) + this.current;
  }

  add(now: number, hits = 1): void {
    this.roll(now);
    this.current += hits;
    this.unreported += hits;
  }

  /** Milliseconds until `count` falls below `limit` if nothing else arrives; 0 when it is below. */
  waitFor(limit: number, now: number): number {
    if (this.count(now) < limit) return 0;
    const left = this.start + this.lengthMs - now;
    // Below the limit means strictly below: one millisecond more than reaching it.
    if (this.current >= limit) return Math.floor(left + (this.lengthMs * (this.current - limit)) / this.current) + 1;
    return Math.floor(left - (this.lengthMs * (limit - this.current)) / this.previous) + 1;
  }

  /** Hits that the shared counters do not know yet. */
  get unreportedHits(): number {
    return this.unreported + this.unreportedPrevious;
  }

  /** Hands out both windows with what is to be added to their shared totals; from here it counts as reported. */
  report(now: number): WindowHits[] {
    this.roll(now);
    const windows = [
      { start: this.start - this.lengthMs, hits: this.unreportedPrevious },
      { start: this.start, hits: this.unreported },
    ];
    this.unreported = 0;
    this.unreportedPrevious = 0;
    return windows;
  }

  /** Takes back a report that could not be delivered. */
  takeBack({ start, hits }: WindowHits): void {
    if (start === this.start) this.unreported += hits;
    else if (start === this.start - this.lengthMs) this.unreportedPrevious += hits;
  }

  /** The shared total of a window, all reports of this node included. Windows that are over are ignored. */
  learn({ start, hits }: WindowHits): void {
    if (start === this.start) this.current = hits + this.unreported;
    else if (start === this.start - this.lengthMs) this.previous = hits + this.unreportedPrevious;
  }

  private roll(now: number): void {
    const start = now - (now % this.lengthMs);
    if (start === this.start) return;
    const isNext = start - this.start === this.lengthMs;
    this.previous = isNext ? this.current : 0;
    this.unreportedPrevious = isNext ? this.unreported : 0;
    this.current = 0;
    this.unreported = 0;
    this.start = start;
  }
}
