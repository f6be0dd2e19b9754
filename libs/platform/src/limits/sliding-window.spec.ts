import fc from 'fast-check';
import { SlidingWindow } from './sliding-window.js';

const LENGTH = 60_000;
const ORIGIN = 1_700_000_000_000;

/** Times of hits over five windows, ascending. */
const times = fc
  .array(fc.integer({ min: 0, max: 5 * LENGTH }), { maxLength: 200 })
  .map((offsets) => offsets.sort((a, b) => a - b).map((offset) => ORIGIN + offset));

describe('a sliding window', () => {
  it('counts what one fixed window holds exactly', () => {
    const window = new SlidingWindow(LENGTH);
    const start = ORIGIN - (ORIGIN % LENGTH);
    for (let hit = 0; hit < 10; hit += 1) window.add(start + hit);
    expect(window.count(start + 10)).toBe(10);
    expect(window.count(start + LENGTH)).toBe(10);
    expect(window.count(start + LENGTH + LENGTH / 2)).toBe(5);
    expect(window.count(start + 2 * LENGTH)).toBe(0);
  });

  it('counts what is left of the previous window without a rounding error', () => {
    const window = new SlidingWindow(LENGTH);
    const start = ORIGIN - (ORIGIN % LENGTH);
    window.add(start, 5);
    const wait = window.waitFor(1, start);
    expect(window.count(start + wait - 1)).toBe(1);
    expect(window.count(start + wait)).toBe(0);
  });

  it('never forgets a hit of the present window and never counts one older than two', () => {
    fc.assert(
      fc.property(times, (hits) => {
        const window = new SlidingWindow(LENGTH);
        for (const hit of hits) window.add(hit);
        const now = hits.at(-1) ?? ORIGIN;
        const start = now - (now % LENGTH);
        const counted = window.count(now);
        expect(counted).toBeGreaterThanOrEqual(hits.filter((hit) => hit >= start).length);
        expect(counted).toBeLessThanOrEqual(hits.filter((hit) => hit >= start - LENGTH).length);
      }),
    );
  });

  it('admits again exactly when it said', () => {
    fc.assert(
      fc.property(times, fc.integer({ min: 1, max: 50 }), (hits, limit) => {
        const window = new SlidingWindow(LENGTH);
        for (const hit of hits) window.add(hit);
        const now = hits.at(-1) ?? ORIGIN;
        const wait = window.waitFor(limit, now);
        if (window.count(now) < limit) {
          expect(wait).toBe(0);
          return;
        }
        expect(wait).toBeGreaterThan(0);
        expect(wait).toBeLessThanOrEqual(2 * LENGTH);
        if (wait > 1) expect(window.count(now + wait - 1)).toBeGreaterThanOrEqual(limit);
        expect(window.count(now + wait)).toBeLessThan(limit);
      }),
    );
  });
});

describe('two nodes that share a total', () => {
  type Step = { readonly node: 0 | 1; readonly what: 'hit' | 'sync' | 'fail'; readonly after: number };

  const steps = fc.array(
    fc.record<Step>({
      node: fc.constantFrom(0, 1),
      what: fc.constantFrom('hit', 'hit', 'hit', 'sync', 'fail'),
      after: fc.integer({ min: 0, max: LENGTH / 4 }),
    }),
    { maxLength: 120 },
  );

  function exchange(window: SlidingWindow, totals: Map<number, number>, now: number, isDelivered: boolean): void {
    const reports = window.report(now);
    for (const report of reports) {
      if (!isDelivered) {
        window.takeBack(report);
        continue;
      }
      const hits = (totals.get(report.start) ?? 0) + report.hits;
      totals.set(report.start, hits);
      window.learn({ start: report.start, hits });
    }
  }

  it('agree with one that saw everything once both have reported, whatever was lost on the way', () => {
    fc.assert(
      fc.property(steps, (sequence) => {
        const nodes = [new SlidingWindow(LENGTH), new SlidingWindow(LENGTH)] as const;
        const all = new SlidingWindow(LENGTH);
        const totals = new Map<number, number>();
        let now = ORIGIN;
        for (const { node, what, after } of sequence) {
          now += after;
          if (what !== 'hit') exchange(nodes[node], totals, now, what === 'sync');
          else {
            nodes[node].add(now);
            all.add(now);
          }
          expect(nodes[node].count(now)).toBeLessThanOrEqual(all.count(now));
        }
        // Every node reports each second in truth, so no window passes unreported; here the last two must be.
        for (const node of [nodes[0], nodes[1], nodes[0]]) exchange(node, totals, now, true);
        if (isReportedInTime(sequence)) for (const node of nodes) expect(node.count(now)).toBe(all.count(now));
      }),
    );
  });

  /** False when a node stayed silent for longer than the windows it remembers. */
  function isReportedInTime(sequence: readonly Step[]): boolean {
    return sequence.reduce((total, { after }) => total + after, 0) < LENGTH;
  }
});
