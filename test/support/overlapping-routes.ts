import type { Route } from '../../libs/platform/src/index.js';

export interface Overlap {
  /** A path that both routes match. */
  readonly path: string;
  /** The one that is literal where the two first differ; null when neither is, and the order would decide. */
  readonly winner: Route | null;
}

/** Where two routes of one method meet, or null when no path matches both. */
export function overlapOf(a: Route, b: Route): Overlap | null {
  const [left, right] = aligned(a.path.split('/').slice(1), b.path.split('/').slice(1));
  if (left.length !== right.length) return null;
  const path: string[] = [];
  let winner: Route | null = null;
  for (const [index, one] of left.entries()) {
    const other = right[index]!;
    const meeting = [concrete(one), concrete(other)].find((text) => matches(one, text) && matches(other, text));
    if (meeting === undefined) return null;
    if (!winner && isFree(one) !== isFree(other)) winner = isFree(one) ? b : a;
    path.push(meeting);
  }
  return { path: `/${path.join('/')}`, winner };
}

/** A trailing wildcard stretches over as many segments as the other route has left. */
function aligned(a: string[], b: string[]): [string[], string[]] {
  const length = Math.max(a.length, b.length);
  const stretch = (segments: string[]): string[] =>
    segments.at(-1)?.startsWith('*') === true
      ? [...segments.slice(0, -1), ...Array<string>(length - segments.length + 1).fill(':rest')]
      : segments;
  return [stretch(a), stretch(b)];
}

const isFree = (segment: string): boolean => segment.includes(':');

const concrete = (segment: string): string => segment.replace(/:\w+/g, 'x');

function matches(segment: string, text: string): boolean {
  return new RegExp(`^${segment.replace(/\./g, '\\.').replace(/:\w+/g, '[^/]+')}$`).test(text);
}
