import { Injectable } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import { Database, type Principal } from '#platform';
import type { CapturedSession } from '../captured-session.js';
import type { ChosenModel, ModelWish } from '../models/judge-settings.js';
import { JudgeSettingsService } from '../models/judge-settings.service.js';
import { problemOf } from '../models/model-job.js';
import { ModelJobs } from '../models/model-jobs.js';
import { SessionJournal } from '../session-journal.js';
import { SESSION_NARRATED } from '../sessions.events.js';
import { SessionsService } from '../sessions.service.js';
import { NarrationFailed, Narrator } from './narrator.js';
import { NARRATIVE_JOB } from './narrative.jobs.js';
import type { SessionSummary } from './summaries.service.js';
import { SummariesRepository } from './summaries.repository.js';

/** Narratives as their sessions' owners ask for them (sessionfs-1.md §7.12). */
@Injectable()
export class NarrativesService {
  constructor(
    private readonly db: Database,
    private readonly sessions: SessionsService,
    private readonly judge: JudgeSettingsService,
    private readonly narrator: Narrator,
    private readonly repository: SummariesRepository,
    private readonly jobs: ModelJobs,
    private readonly journal: SessionJournal,
    private readonly clock: Clock,
  ) {}

  /**
   * The summary with a narrative; without one, and with the reason, when the model fails: what was told before stays
   * stored. Errors: `not_found`, `forbidden` for another member's session, `bad_request` without a model to ask,
   * `invalid_input` for an address that may not be called, `unprocessable` without messages.
   */
  async narrate(caller: Principal, name: string, wish: ModelWish): Promise<SessionSummary> {
    const session = await this.sessions.get(caller, name);
    if (session.userId !== caller.userId) {
      throw new DomainError('forbidden', 'Only its owner can have a session narrated');
    }
    const model = await this.modelFor(caller, wish);
    try {
      const { stored, narrative, usage } = await this.narrator.tell(session, model);
      await this.db.transaction(async () => {
        await this.repository.saveNarrative(session.uid, narrative, this.clock.date());
        await this.followPush(session);
        const facts = { model: narrative.model, provider: model.provider, version_id: narrative.versionId, ...usage };
        await this.journal.record(caller, session, { event: SESSION_NARRATED, action: 'session.narrate' }, facts);
      });
      return { session, stored: { ...stored, narrative, narrativeProblem: null } };
    } catch (error) {
      if (!(error instanceof NarrationFailed)) throw error;
      const problem = problemOf(error.cause);
      await this.repository.saveProblem(session.uid, problem);
      return { session, stored: { ...error.stored, narrative: null, narrativeProblem: problem } };
    }
  }

  /** A push while the first narrative was being told found none to refresh. */
  private async followPush({ uid: sessionUid, userId }: CapturedSession): Promise<void> {
    const isOutdated = (await this.repository.findOutdated(sessionUid, 'on_sync')) !== null;
    if (isOutdated) await this.jobs.request({ kind: NARRATIVE_JOB, sessionUid, userId, input: {} });
  }

  private async modelFor({ userId }: Principal, wish: ModelWish): Promise<ChosenModel> {
    const model = await this.judge.choose(userId, wish);
    const isKeyless = model?.from === 'request' && model.endpoint.apiKey === null;
    if (model && !isKeyless) return model;
    throw new DomainError('bad_request', 'No API key provided — set judge settings or pass llm_api_key');
  }
}
