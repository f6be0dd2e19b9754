import type { StoredEvent } from './agent-event.js';

/** A follower's place to wait. */
export interface FeedTurn {
  /** The next batch that is stored; null when `ms` are over or the signal is aborted. */
  within(ms: number, signal: AbortSignal): Promise<readonly StoredEvent[] | null>;
  leave(): void;
}

type Listener = (events: readonly StoredEvent[]) => void;

/**
 * Tells the followers in this process what was just stored. Keeps nothing: who was not listening reads the database,
 * so a slow follower costs no memory.
 */
export class RunFeed {
  private readonly listeners = new Map<string, Set<Listener>>();

  publish(runId: string, events: readonly StoredEvent[]): void {
    for (const listener of this.listeners.get(runId) ?? []) listener(events);
  }

  /** To be called before the database is read, so that nothing is stored unnoticed in between. */
  join(runId: string): FeedTurn {
    let listener: Listener = () => undefined;
    const news = new Promise<readonly StoredEvent[]>((resolve) => (listener = resolve));
    const listeners = this.listeners.get(runId) ?? new Set();
    this.listeners.set(runId, listeners.add(listener));
    const leave = (): void => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.listeners.get(runId) === listeners) this.listeners.delete(runId);
    };
    return { within: (ms, signal) => within(news, ms, signal), leave };
  }
}

async function within<News>(news: Promise<News>, ms: number, signal: AbortSignal): Promise<News | null> {
  if (signal.aborted) return null;
  let giveUp: () => void = () => undefined;
  const over = new Promise<null>((resolve) => (giveUp = () => resolve(null)));
  const timer = setTimeout(giveUp, ms);
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    return await Promise.race([news, over]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', giveUp);
  }
}
