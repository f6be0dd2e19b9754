import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { DomainError, type ErrorCode } from '#kernel';
import { Database, EventConsumers, type RecordedEvent } from '#platform';
import { Conversations } from '#sandboxes';
import { ConversationCapture } from './conversation-capture.js';

/** Of these another try makes sense, and everybody's next conversations wait for it. */
const PASSING: ReadonlySet<ErrorCode> = new Set(['conflict', 'unavailable']);
const MAX_TRIES = 5;
const MAX_REMEMBERED = 1_000;

/** Follows what is said in sandboxes, and has it recorded. A turn never fails by it. */
@Injectable()
export class CaptureConsumer implements OnModuleInit {
  private readonly log = new Logger(CaptureConsumer.name);
  /** Up to which transaction each conversation was read lately: of many events about one the first does. */
  private readonly readUpTo = new Map<string, bigint>();
  private tries: { event: string; count: number } = { event: '', count: 0 };

  constructor(
    private readonly db: Database,
    private readonly consumers: EventConsumers,
    private readonly capture: ConversationCapture,
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
    try {
      await this.capture.capture(ref);
      this.remember(key, horizon);
    } catch (error) {
      if (!(error instanceof DomainError) || this.isPassing(event, error)) throw error;
      const facts = { sandbox: ref.sandboxId, chat: ref.chatId, reason: error.reason ?? error.code };
      this.log.warn({ msg: 'a conversation is not recorded', ...facts });
    }
  }

  private isPassing({ id }: RecordedEvent, { code }: DomainError): boolean {
    const { event, count } = this.tries;
    this.tries = { event: id, count: event === id ? count + 1 : 1 };
    return PASSING.has(code) && this.tries.count < MAX_TRIES;
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
