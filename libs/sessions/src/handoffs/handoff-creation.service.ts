import { Injectable } from '@nestjs/common';
import { assertReachesProject, Database, type Principal } from '#platform';
import { type CapturedSession, isSessionId, sessionNotFound } from '../captured-session.js';
import { outwardSet } from '../conversation/secrets/outward.js';
import { redactTitle } from '../conversation/secrets/redact-title.js';
import { DlpGate } from '../dlp/dlp-gate.service.js';
import { SessionsRepository } from '../sessions.repository.js';
import { type Handoff, handoffNotFound, newHandoffId } from './handoff.js';
import { HandoffJournal } from './handoff-journal.js';
import { HandoffMails } from './handoff-mails.js';
import { HandoffTerms, type HandoffTermsGranted, type WantedTerms } from './handoff-terms.js';
import { HANDOFF_CREATED } from './handoffs.events.js';
import { HandoffsRepository } from './handoffs.repository.js';
import { type HandoffReferences, ProvenanceLookup } from './provenance-lookup.js';

export interface HandoffWish {
  readonly sessionId: string;
  readonly terms: WantedTerms;
  readonly message: string | null;
  readonly references: HandoffReferences;
}

/** Hands sessions off (sessionfs-1.md §9.3). */
@Injectable()
export class HandoffCreationService {
  constructor(
    private readonly db: Database,
    private readonly sessions: SessionsRepository,
    private readonly handoffs: HandoffsRepository,
    private readonly terms: HandoffTerms,
    private readonly provenance: ProvenanceLookup,
    private readonly journal: HandoffJournal,
    private readonly mails: HandoffMails,
    private readonly dlp: DlpGate,
  ) {}

  /**
   * Offers one of the caller's live sessions. Errors: `not_found` for the session or the recipient, `forbidden` for the
   * plan, the team or a service key's project, `invalid_input` for references into a project.
   */
  async create(caller: Principal, wish: HandoffWish): Promise<Handoff> {
    await this.terms.assertInPlan(caller, wish.terms);
    const session = isSessionId(wish.sessionId) ? await this.sessions.find(caller, wish.sessionId) : null;
    if (!session || session.deletedAt) throw sessionNotFound();
    const project = await this.provenance.projectOf(session);
    assertReachesProject(caller, project);
    const secrets = outwardSet(await this.dlp.outwardRules(session));
    const sessionTitle = session.title && redactTitle(session.title, secrets);
    return this.db.transaction(async () => {
      if (!(await this.sessions.holdLive(session.uid))) throw sessionNotFound();
      const terms = await this.terms.grant(caller, wish.terms);
      await this.assertKnown(session, wish.references);
      const id = await this.insert(
        { ...session, title: sessionTitle },
        wish,
        terms,
        typeof project === 'string' ? null : project.id,
      );
      const handoff = await this.handoffs.find(id);
      if (!handoff) throw handoffNotFound();
      await this.journal.record(caller, HANDOFF_CREATED, handoff, {
        handoff_kind: terms.kind,
        expires_in_hours: terms.hours,
        attachment_count: wish.references.attachments.length,
        has_ticket: wish.references.ticketId !== null,
        has_persona: wish.references.personaName !== null,
      });
      await this.mails.handedOff(handoff, session);
      return handoff;
    });
  }

  private async assertKnown(session: CapturedSession, references: HandoffReferences): Promise<void> {
    const { ticketId, personaName, attachments } = references;
    if (ticketId !== null || personaName !== null || attachments.length > 0) {
      await this.provenance.assertKnown(session, references);
    }
  }

  private async insert(
    session: CapturedSession,
    { message }: HandoffWish,
    { hours: _hours, ...terms }: HandoffTermsGranted,
    projectId: string | null,
  ): Promise<string> {
    const id = newHandoffId();
    await this.handoffs.insert({
      ...terms,
      id,
      accountId: session.accountId,
      senderId: session.userId,
      sessionUid: session.uid,
      sessionId: session.id,
      projectId,
      message,
      sessionTitle: session.title,
      sessionTool: session.sourceTool,
      sessionModelId: session.modelId,
      sessionMessageCount: session.messageCount,
      sessionTotalTokens: session.totalInputTokens + session.totalOutputTokens,
    });
    return id;
  }
}
