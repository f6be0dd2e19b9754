import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Database, EventConsumers, type RecordedEvent } from '#platform';
import { Conversations } from '#sandboxes';
import { CaptureAttempts } from './capture-attempts.js';
import { CapturePace } from './capture-pace.js';

/** Everybody's next conversations wait for them. */
const MAX_TRIES = 5;
const MAX_REMEMBERED = 1_000;

/** Follows what is said in sandboxes, and has it recorded. A turn never fails by it. */
@Injectable()
export class CaptureConsumer implements OnModuleInit {
  /** Up to which transaction each conversation was read lately: of many events about one the first does. */
  private readonly readUpTo = new Map<string, bigint>();
  private tries: { event: string; count: number } = { event: '', count: 0 };

  constructor(
    private readonly db: Database,
    private readonly consumers: EventConsumers,
    private readonly pace: CapturePace,
    private readonly attempts: CaptureAttempts,
  ) {}

  onModuleInit(): void {
    this.consumers.register({
      name: Conversations.RECORDER,
      types: Conversations.CHANGED_BY,
      from: 'start',
      handle: (event) => this.handle(event),
    });
  }

  private async handle(event: RecordedEvent): Promise<void> {
    const ref = Conversations.refOf(event);
    if (!ref) return;
    const key = `${ref.accountId}/${ref.sandboxId}/${ref.chatId}`;
    if (BigInt(event.xid) < (this.readUpTo.get(key) ?? 0n)) return;
    const horizon = await this.horizon();
    if (await this.pace.putOff(ref)) return;
    await this.attempts.record(ref, this.isLastTry(event));
    this.remember(key, horizon);
  }

  private isLastTry({ id }: RecordedEvent): boolean {
    const { event, count } = this.tries;
    this.tries = { event: id, count: event === id ? count + 1 : 1 };
    return this.tries.count >= MAX_TRIES;
  }

  /** Whatever older transactions did can be seen. */
  private async horizon(): Promise<bigint> {
    const [row] = await this.db.query<{ xmin: string }>('select pg_snapshot_xmin(pg_current_snapshot())::text as xmin');
    return BigInt(row?.xmin ?? 0);
  }

  private remember(key: string, horizon: bigint): void {
    this.readUpTo.delete(key);
    this.readUpTo.set(key, horizon);
    const [oldest] = this.readUpTo.keys();
    if (this.readUpTo.size > MAX_REMEMBERED && oldest !== undefined) this.readUpTo.delete(oldest);
  }
}
