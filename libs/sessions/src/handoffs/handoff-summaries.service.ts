import { Injectable } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import type { Principal } from '#platform';
import type { CapturedSession } from '../captured-session.js';
import type { ConversationSummary } from '../conversation/summary.js';
import { outwardSet } from '../conversation/secrets/outward.js';
import type { PatternSet } from '../conversation/secrets/pattern-set.js';
import { redactText } from '../conversation/secrets/redact.js';
import { DlpGate } from '../dlp/dlp-gate.service.js';
import { SessionsRepository } from '../sessions.repository.js';
import { SummariesRepository } from '../summaries/summaries.repository.js';
import { SummaryReader } from '../summaries/summary-reader.js';
import { type Handoff, handoffExpired, handoffNotFound, isHandoffId, shownStatus, sourceGone } from './handoff.js';
import { HandoffExpiry } from './handoff-expiry.js';
import { HandoffParties } from './handoff-parties.js';
import { HandoffsRepository } from './handoffs.repository.js';

export interface HandoffSummary {
  readonly handoff: Handoff;
  readonly conversation: ConversationSummary;
}

/** What a handed session is about, before it is taken over (sessionfs-1.md §9.7). */
@Injectable()
export class HandoffSummariesService {
  constructor(
    private readonly handoffs: HandoffsRepository,
    private readonly parties: HandoffParties,
    private readonly expiry: HandoffExpiry,
    private readonly sessions: SessionsRepository,
    private readonly summaries: SummariesRepository,
    private readonly reader: SummaryReader,
    private readonly dlp: DlpGate,
    private readonly clock: Clock,
  ) {}

  /**
   * For parties: what the session's current version tells, without secrets. Errors: `not_found` for others or when the
   * session is gone; `unprocessable` when it has no messages; `gone` once it is claimed, expired, or taken back from the
   * one who asks.
   */
  async forParty(caller: Principal, id: string): Promise<HandoffSummary> {
    const { handoff, isSender } = await this.parties.reach(caller, id);
    const isTakenBack = handoff.status === 'revoked' && !isSender;
    this.assertOpen(handoff);
    if (isTakenBack) throw noLongerOffered(handoff);
    const session = await this.source(handoff);
    const known = await this.summaries.find(session.uid);
    const { summary } = known?.versionId === session.versionId ? known : await this.reader.summarize(session);
    const secrets = outwardSet(await this.dlp.outwardRules(session));
    return { handoff, conversation: redacted(summary, secrets) };
  }

  /** For who holds nothing but the id: the handoff while it can be claimed. Errors: `not_found`, `gone`. */
  async forAnybody(id: string): Promise<Handoff> {
    const found = isHandoffId(id) ? await this.handoffs.find(id) : null;
    if (!found) throw handoffNotFound();
    const handoff = await this.expiry.settle(found);
    this.assertOpen(handoff);
    if (handoff.status !== 'pending') throw noLongerOffered(handoff);
    await this.source(handoff);
    return handoff;
  }

  private assertOpen(handoff: Handoff): void {
    const status = shownStatus(handoff, this.clock.now());
    if (status === 'expired') throw handoffExpired();
    if (status === 'claimed') throw new DomainError('gone', 'Handoff already claimed');
  }

  private async source({ sessionUid }: Handoff): Promise<CapturedSession> {
    const session = sessionUid === null ? null : await this.sessions.findByUid(sessionUid);
    if (!session || session.deletedAt) throw sourceGone();
    return session;
  }
}

function noLongerOffered({ status }: Handoff): DomainError {
  return new DomainError('gone', `Handoff is ${status}`);
}

/** Short texts only, as the summary has them. */
function redacted(summary: ConversationSummary, secrets: PatternSet): ConversationSummary {
  const clean = (texts: readonly string[]): string[] => texts.map((text) => redactText(text, secrets).text);
  return {
    ...summary,
    filesModified: clean(summary.filesModified.slice(0, 10)),
    errorsEncountered: clean(summary.errorsEncountered.slice(0, 3)),
    lastAssistantMessages: clean(summary.lastAssistantMessages),
  };
}
