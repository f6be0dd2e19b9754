import { Injectable } from '@nestjs/common';
import { Clock } from '#kernel';
import { Audit, Events, type Principal } from '#platform';
import type { Handoff } from './handoff.js';
import { HANDOFF_EXPIRED } from './handoffs.events.js';
import { HandoffThreadRepository } from './handoff-thread.repository.js';

/** Larger payloads are replaced, so that no history is too large to be answered (sessionfs-1.md §9.7). */
const MAX_PAYLOAD_BYTES = 16_384;

/** A handoff's own history, and the event and audit row of each step, in the transaction of the effect. */
@Injectable()
export class HandoffJournal {
  constructor(
    private readonly thread: HandoffThreadRepository,
    private readonly events: Events,
    private readonly audit: Audit,
    private readonly clock: Clock,
  ) {}

  /** `event` is one of handoffs.events.ts. */
  async record(
    actor: Principal,
    event: string,
    { id, accountId }: Pick<Handoff, 'id' | 'accountId'>,
    facts: Readonly<Record<string, unknown>> = {},
  ): Promise<void> {
    const payload = bounded(facts);
    const entry = { type: typeOf(event), actor, payload, createdAt: this.clock.date() };
    await this.thread.insertEvents([id], entry);
    await this.report(actor, event, { id, accountId }, payload);
  }

  /** Time is over for all of them. */
  async recordExpired(handoffs: readonly Pick<Handoff, 'id' | 'accountId'>[]): Promise<void> {
    const entry = { type: typeOf(HANDOFF_EXPIRED), actor: null, payload: {}, createdAt: this.clock.date() };
    const ids = handoffs.map(({ id }) => id);
    if (ids.length > 0) await this.thread.insertEvents(ids, entry);
    for (const handoff of handoffs) await this.report(null, HANDOFF_EXPIRED, handoff, {});
  }

  private async report(
    actor: Principal | null,
    event: string,
    { id, accountId }: Pick<Handoff, 'id' | 'accountId'>,
    payload: Record<string, unknown>,
  ): Promise<void> {
    const subject = { accountId, kind: 'handoff', id };
    await this.events.record(event, subject, payload);
    await this.audit.record(actor, event, subject, payload);
  }
}

const typeOf = (event: string): string => event.slice(event.indexOf('.') + 1);

export function bounded(facts: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const isTooLarge = Buffer.byteLength(JSON.stringify(facts)) > MAX_PAYLOAD_BYTES;
  return isTooLarge ? { _truncated: true } : { ...facts };
}
