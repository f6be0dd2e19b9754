import { setTimeout as pause } from 'node:timers/promises';
import { type AgentEvent, joined, type StoredEvent } from './agent-event.js';

/** How long an event may wait for others to be stored with it: tokens come faster than transactions. */
const LINGER_MS = 40;
/** Parts of a text are put together up to so many characters. */
const MAX_JOINED = 8_192;
/** Beyond so many characters the agent waits for the database. */
const MAX_PENDING = 1_048_576;
const TRIES = 5;
const RETRY_MS = 200;

/** Stores a batch; false when the run is not this process's any more. */
export type StoreEvents = (events: readonly StoredEvent[]) => Promise<boolean>;

/** What the run told and is not stored yet. Numbers events, and stores them in order, many at once. */
export class RunLog {
  private pending: AgentEvent[] = [];
  private size = 0;
  private storing: Promise<void> | undefined;
  private failure: Error | undefined;

  constructor(
    private readonly store: StoreEvents,
    /** The place of the next event that is stored. */
    private nextSeq: number,
  ) {}

  /** Resolves when the next event may come. Rejects once events could not be stored. */
  async add(event: AgentEvent): Promise<void> {
    if (this.failure) throw this.failure;
    const last = this.pending.at(-1);
    const both = last && 'text' in last && last.text.length < MAX_JOINED ? joined(last, event) : null;
    if (both) this.pending[this.pending.length - 1] = both;
    else this.pending.push(event);
    this.size += sizeOf(event);
    this.storing ??= this.storeAll();
    if (this.size > MAX_PENDING) await this.storing;
  }

  /** Stops storing; answers what is left and where it belongs. */
  async close(): Promise<{ readonly events: readonly AgentEvent[]; readonly from: number }> {
    await this.storing;
    this.failure ??= new Error('the log of the run is closed');
    return { events: this.pending, from: this.nextSeq };
  }

  private async storeAll(): Promise<void> {
    while (this.pending.length > 0 && !this.failure) {
      await pause(LINGER_MS);
      const events = this.pending;
      this.pending = [];
      this.size = 0;
      const batch = events.map((data, index) => ({ seq: this.nextSeq + index, data }));
      try {
        if (!(await this.tryStore(batch))) throw new Error('the run belongs to another process now');
        this.nextSeq += batch.length;
      } catch (error) {
        this.failure = error as Error;
        this.pending = [...events, ...this.pending];
      }
    }
    // In the same moment: what is added in the next one would wait for a store that looks no more.
    this.storing = undefined;
  }

  private async tryStore(batch: readonly StoredEvent[]): Promise<boolean> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.store(batch);
      } catch (error) {
        if (attempt === TRIES) throw error;
        await pause(RETRY_MS * attempt);
      }
    }
  }
}

function sizeOf(event: AgentEvent): number {
  if ('text' in event) return event.text.length;
  if ('content' in event) return event.content.length;
  return 'input' in event ? JSON.stringify(event.input ?? null).length : 64;
}
