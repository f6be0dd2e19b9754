import { Injectable } from '@nestjs/common';
import { Audit, EventConsumers, Events, type Principal } from '#platform';
import { Conversations } from './conversations/conversations.js';
import type { Sandbox } from './sandbox.js';

/** Event and audit row of what happens to a sandbox, in the transaction of the effect. */
@Injectable()
export class SandboxJournal {
  constructor(
    private readonly events: Events,
    private readonly audit: Audit,
    private readonly consumers: EventConsumers,
    private readonly conversations: Conversations,
  ) {}

  /** Whether something that was said in it is still to be recorded, or is about to be said. */
  async isUnrecorded(sandboxId: string): Promise<boolean> {
    // In this order: what a run says last is in the event of its end, and handling an event may put it off.
    if (await this.conversations.isSpoken(sandboxId)) return true;
    const isBehind = await this.consumers.isBehind(Conversations.RECORDER, sandboxId);
    return isBehind || this.conversations.isWaiting(sandboxId);
  }

  /** `caller` is null for what the server does by itself. Facts are ids and small values. */
  async record(
    caller: Principal | null,
    sandbox: Pick<Sandbox, 'id' | 'accountId'>,
    { event, action }: { readonly event: string; readonly action: string },
    facts: Readonly<Record<string, unknown>> = {},
  ): Promise<void> {
    const subject = { accountId: sandbox.accountId, kind: 'sandbox', id: sandbox.id };
    await this.events.record(event, subject, facts);
    await this.audit.record(caller, action, subject, facts);
  }
}
