import { Injectable } from '@nestjs/common';
import { Clock } from '#kernel';
import { Database, type Principal } from '#platform';
import {
  assertPending,
  type Handoff,
  type HandoffComment,
  type HandoffEvent,
  handoffExpired,
  handoffNotFound,
  shownStatus,
} from './handoff.js';
import { HandoffJournal } from './handoff-journal.js';
import { HandoffMails } from './handoff-mails.js';
import { HandoffParties } from './handoff-parties.js';
import { MAX_THREAD, HandoffThreadRepository } from './handoff-thread.repository.js';
import { HANDOFF_DECLINED, HANDOFF_REVOKED, HANDOFF_VIEWED } from './handoffs.events.js';
import { type HandoffBox, type HandoffListQuery, HandoffsRepository } from './handoffs.repository.js';

export interface HandoffPage {
  readonly handoffs: readonly Handoff[];
  readonly total: number;
  readonly hasMore: boolean;
}

export interface HandoffDetail {
  readonly handoff: Handoff;
  readonly comments: readonly HandoffComment[];
  readonly events: readonly HandoffEvent[];
}

/** Handoffs as their parties see them, and end them without taking them (sessionfs-1.md §9). */
@Injectable()
export class HandoffsService {
  constructor(
    private readonly db: Database,
    private readonly handoffs: HandoffsRepository,
    private readonly thread: HandoffThreadRepository,
    private readonly parties: HandoffParties,
    private readonly journal: HandoffJournal,
    private readonly mails: HandoffMails,
    private readonly clock: Clock,
  ) {}

  /** What the caller was handed, newest first, in every status. */
  async inbox(
    caller: Principal,
    query: Omit<HandoffListQuery, 'projectIds'>,
    includeTeams: boolean,
  ): Promise<HandoffPage> {
    const identity = await this.parties.identityOf(caller);
    const recipient = includeTeams ? identity : { ...identity, teamIds: [] };
    return this.list(caller, { kind: 'inbox', recipient }, query);
  }

  /** What the caller handed off in the account acted for, newest first, in every status. */
  sent(caller: Principal, query: Omit<HandoffListQuery, 'projectIds'>): Promise<HandoffPage> {
    return this.list(caller, { kind: 'sent', senderId: caller.userId, accountId: caller.accountId }, query);
  }

  /** With its thread; the first look of a recipient is noted. Errors: `not_found`, `gone` for an expired one. */
  async view(caller: Principal, id: string): Promise<HandoffDetail> {
    const { handoff, isSender } = await this.parties.reach(caller, id);
    if (shownStatus(handoff, this.clock.now()) === 'expired') throw handoffExpired();
    if (!isSender && handoff.viewedAt === null) await this.noteView(caller, handoff);
    return {
      handoff: await this.reread(id),
      comments: await this.thread.comments(id, MAX_THREAD, null),
      events: await this.thread.events(id, MAX_THREAD, null),
    };
  }

  /** Errors: `not_found` for all but the sender, `conflict`, `gone`. */
  async revoke(caller: Principal, id: string, reason: string): Promise<Handoff> {
    const handoff = await this.parties.reachAsSender(caller, id);
    return this.end(handoff, 'revoke', async (at) => {
      if (!(await this.handoffs.revoke(id, { by: caller.userId, at, reason }))) return false;
      await this.journal.record(caller, HANDOFF_REVOKED, handoff, { reason });
      await this.mails.toRecipient(caller, 'handoff_revoked', handoff, reason);
      return true;
    });
  }

  /** Errors: `not_found` for all but recipients, `conflict`, `gone`. */
  async decline(caller: Principal, id: string, reason: string | null): Promise<Handoff> {
    const handoff = await this.parties.reachAsRecipient(caller, id);
    return this.end(handoff, 'decline', async (at) => {
      if (!(await this.handoffs.decline(id, at))) return false;
      await this.journal.record(caller, HANDOFF_DECLINED, handoff, reason === null ? {} : { reason });
      await this.mails.toSender(caller, 'handoff_declined', handoff, reason);
      return true;
    });
  }

  /** `decide` is false when another decision or time was first; then that one is told. */
  private async end(
    handoff: Handoff,
    action: 'revoke' | 'decline',
    decide: (at: Date) => Promise<boolean>,
  ): Promise<Handoff> {
    const now = this.clock.date();
    assertPending(handoff, action, now.getTime());
    return this.db.transaction(async () => {
      const isOurs = await decide(now);
      const current = await this.reread(handoff.id);
      if (!isOurs) assertPending(current, action, now.getTime());
      return current;
    });
  }

  private async noteView(caller: Principal, handoff: Handoff): Promise<void> {
    await this.db.transaction(async () => {
      const isFirst = await this.handoffs.markViewed(handoff.id, this.clock.date());
      if (isFirst) await this.journal.record(caller, HANDOFF_VIEWED, handoff);
    });
  }

  private async list(
    caller: Principal,
    box: HandoffBox,
    query: Omit<HandoffListQuery, 'projectIds'>,
  ): Promise<HandoffPage> {
    const now = this.clock.date();
    const bounded = { ...query, projectIds: await this.parties.projectsOf(caller) };
    const rows = await this.handoffs.list(box, bounded, now);
    return {
      handoffs: rows.slice(0, query.limit),
      total: await this.handoffs.count(box, bounded, now),
      hasMore: rows.length > query.limit,
    };
  }

  private async reread(id: string): Promise<Handoff> {
    const handoff = await this.handoffs.find(id);
    if (!handoff) throw handoffNotFound();
    return handoff;
  }
}
