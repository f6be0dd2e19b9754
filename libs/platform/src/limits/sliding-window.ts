/**
 * A sliding-window counter: the current fixed window plus the part of the previous one that still overlaps. Keeps two
 * numbers per bucket; the error against an exact log is bounded by the previous window's unevenness.
 */
export class SlidingWindow {
  private current = 0;
  private previous = 0;
  private start = 0;

  constructor(private readonly lengthMs: number) {}

  /** Estimated hits in the window ending at `now`. */
  count(now: number): number {
    this.roll(now);
    const overlap = 1 - (now - this.start) / this.lengthMs;
    return Math.floor(this.previous * overlap) + this.current;
  }

  add(now: number, hits = 1): void {
    this.roll(now);
    this.current += hits;
  }

  /** Milliseconds until `count` falls below `limit` if nothing else arrives. */
  waitFor(limit: number, now: number): number {
    this.roll(now);
    const windowEnd = this.start + this.lengthMs;
    if (this.current >= limit) return windowEnd - now + this.lengthMs * (1 - limit / Math.max(this.current, 1));
    const overlap = (limit - this.current) / Math.max(this.previous, 1);
    return Math.max(0, windowEnd - now - overlap * this.lengthMs);
  }

  private roll(now: number): void {
    const start = now - (now % this.lengthMs);
    if (start === this.start) return;
    this.previous = start - this.start === this.lengthMs ? this.current : 0;
    this.current = 0;
    this.start = start;
  }
}
