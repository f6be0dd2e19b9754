import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { AppConfig } from '../config/app-config.js';
import { EventConsumersRepository, LEASE_SECONDS } from './event-consumers.repository.js';
import { type EventCursor, Events, type RecordedEvent } from './events.js';

const POLL_MS = 1_000;
/** Events that wait for an older transaction are looked for this often. */
const UNSETTLED_MS = 50;
const BATCH = 100;
const MAX_WAIT_SECONDS = 60;

/** Follows the event log with a position of its own. Register it in `onModuleInit`. */
export interface EventConsumer {
  /** Names its position: a renamed consumer begins anew. */
  readonly name: string;
  readonly types: readonly string[];
  /** Where it begins when it is new: with the whole log, or with what happens from then on. */
  readonly from: 'start' | 'now';
  /**
   * At least once for every event, one at a time, in order; idempotent by `event.id`. What it throws holds this
   * consumer up until a later try succeeds, so an event that can never be handled is to be logged and let go.
   */
  handle(event: RecordedEvent, signal: AbortSignal): Promise<void>;
}

/**
 * Runs the consumers of the event log in processes that run jobs, each consumer in one process at a time (a lease on its
 * row). They are woken by commits of this process and look for those of others every second.
 */
@Injectable()
export class EventConsumers implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger(EventConsumers.name);
  private readonly owner = randomUUID();
  private readonly consumers = new Map<string, EventConsumer>();
  private readonly running = new Map<string, Promise<void>>();
  private readonly stopping = new AbortController();
  /** Consumers belong to no request and join no transaction. */
  private readonly outside = AsyncLocalStorage.snapshot();
  private isStarted = false;
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | undefined;
  private isWoken = false;

  constructor(
    private readonly events: Events,
    private readonly positions: EventConsumersRepository,
    private readonly config: AppConfig,
  ) {}

  register(consumer: EventConsumer): void {
    if (this.consumers.has(consumer.name)) throw new Error(`Two event consumers are named ${consumer.name}`);
    this.consumers.set(consumer.name, consumer);
  }

  async onApplicationBootstrap(): Promise<void> {
    for (const { name, types, from } of this.consumers.values()) await this.positions.ensure(name, types, from);
    // Before any node of a restored deployment records an event of its own.
    await this.positions.adopt();
    if (this.config.APP_MODE === 'api' || this.consumers.size === 0) return;
    const wanted = new Set([...this.consumers.values()].flatMap(({ types }) => types));
    this.events.onCommitted((type) => {
      if (wanted.has(type)) this.wake();
    });
    this.isStarted = true;
    this.wake();
  }

  /** Whether the consumer has yet to handle events about that subject; one that nobody registered never has. */
  isBehind(name: string, subjectId: string): Promise<boolean> {
    return this.positions.isBehind(name, subjectId);
  }

  /** Lets the events being handled end, unless their handlers heed the signal. */
  async beforeApplicationShutdown(): Promise<void> {
    this.isStarted = false;
    clearTimeout(this.timer);
    this.stopping.abort();
    await this.looking;
    await Promise.all(this.running.values());
  }

  /** Looks for events now instead of at the next poll. */
  wake(): void {
    if (!this.isStarted) return;
    this.isWoken = true;
    this.looking ??= this.outside(() => this.look()).finally(() => (this.looking = undefined));
  }

  private async look(): Promise<void> {
    let next = POLL_MS;
    while (this.isWoken && this.isStarted) {
      this.isWoken = false;
      clearTimeout(this.timer);
      next = POLL_MS;
      try {
        const idle = [...this.consumers.keys()].filter((name) => !this.running.has(name));
        const { due, hasUnsettled } = await this.positions.findDue(idle);
        for (const name of due) this.start(this.consumers.get(name)!);
        if (hasUnsettled) next = UNSETTLED_MS;
      } catch (error) {
        this.log.warn({ msg: 'the event log could not be read; the next poll tries again', err: error });
      }
    }
    if (this.isStarted) this.timer = setTimeout(() => this.wake(), next).unref();
  }

  private start(consumer: EventConsumer): void {
    const work = this.work(consumer)
      .catch((error: unknown) => {
        this.log.warn({ msg: 'event consumer stopped; its lease runs out', consumer: consumer.name, err: error });
        return false;
      })
      .then((hasMoved) => {
        this.running.delete(consumer.name);
        // What came while it ran was not looked for.
        if (hasMoved) this.wake();
      });
    this.running.set(consumer.name, work);
  }

  /** Handles what there is. @returns whether it got anywhere */
  private async work(consumer: EventConsumer): Promise<boolean> {
    const { name, types } = consumer;
    let cursor = await this.positions.claim(name, this.owner);
    if (!cursor) return false;
    const renewing = setInterval(() => void this.renew(name), (LEASE_SECONDS * 1_000) / 3).unref();
    try {
      while (cursor && this.isStarted) {
        const horizon = await this.positions.horizon();
        if (!horizon) break;
        const batch = await this.positions.read(types, cursor, horizon, BATCH);
        for (const event of batch) {
          if (!cursor || !this.isStarted) break;
          await consumer.handle(event, this.stopping.signal);
          cursor = await this.advance(name, event);
        }
        if (batch.length === BATCH) continue;
        if (cursor && this.isStarted) await this.advance(name, horizon);
        break;
      }
      await this.positions.release(name, this.owner);
      return true;
    } catch (error) {
      await this.settleFailure(name, error);
      return false;
    } finally {
      clearInterval(renewing);
    }
  }

  private async advance(name: string, cursor: EventCursor): Promise<EventCursor | null> {
    return (await this.positions.advance(name, this.owner, cursor)) ? cursor : null;
  }

  private async settleFailure(consumer: string, error: unknown): Promise<void> {
    if (this.stopping.signal.aborted) return this.positions.release(consumer, this.owner);
    const reason = error instanceof Error ? error.message : String(error);
    const failures = await this.positions.fail(consumer, this.owner, reason, MAX_WAIT_SECONDS);
    this.log.error({ msg: 'event consumer failed; it tries again', consumer, failures, err: error });
  }

  private async renew(consumer: string): Promise<void> {
    try {
      await this.positions.renew(consumer, this.owner);
    } catch (error) {
      this.log.warn({ msg: 'the lease of an event consumer could not be renewed', consumer, err: error });
    }
  }
}
