import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Clock } from '#kernel';
import { llmNotConfigured } from '#platform';
import type { CapturedSession } from '../captured-session.js';
import { NO_WISH } from '../models/judge-settings.js';
import { JudgeSettingsService } from '../models/judge-settings.service.js';
import { type ModelJob, type ModelJobEffect, type ModelJobHandler, problemOf } from '../models/model-job.js';
import { ModelJobs } from '../models/model-jobs.js';
import { SessionJournal } from '../session-journal.js';
import { SESSION_NARRATED } from '../sessions.events.js';
import { SessionsRepository } from '../sessions.repository.js';
import { NarrationFailed, Narrator } from './narrator.js';
import { SummariesRepository } from './summaries.repository.js';

export const NARRATIVE_JOB = 'narrative';

const NOTHING: ModelJobEffect = () => Promise.resolve();

/** Tells a session anew, with the model its owner has set. A failure is kept beside the older narrative. Idempotent. */
@Injectable()
export class NarrativeJobs implements OnModuleInit, ModelJobHandler {
  readonly kind = NARRATIVE_JOB;

  constructor(
    private readonly jobs: ModelJobs,
    private readonly sessions: SessionsRepository,
    private readonly repository: SummariesRepository,
    private readonly judge: JudgeSettingsService,
    private readonly narrator: Narrator,
    private readonly journal: SessionJournal,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.jobs.register(this);
  }

  async run(job: ModelJob, signal: AbortSignal): Promise<ModelJobEffect> {
    const session = await this.sessions.findByUid(job.sessionUid);
    if (!session || session.deletedAt !== null) return NOTHING;
    const known = await this.repository.find(session.uid);
    if (known?.narrative?.versionId === session.versionId) return NOTHING;
    try {
      return await this.tell(session, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      const cause = error instanceof NarrationFailed ? error.cause : error;
      await this.repository.saveProblem(session.uid, problemOf(cause));
      throw cause;
    }
  }

  private async tell(session: CapturedSession, signal: AbortSignal): Promise<ModelJobEffect> {
    const model = await this.judge.choose(session.userId, NO_WISH);
    if (!model) throw llmNotConfigured();
    const { narrative, usage } = await this.narrator.tell(session, model, signal);
    return async () => {
      await this.repository.saveNarrative(session.uid, narrative, this.clock.date());
      const facts = { model: narrative.model, provider: model.provider, version_id: narrative.versionId, ...usage };
      await this.journal.record(null, session, { event: SESSION_NARRATED, action: 'session.narrate' }, facts);
    };
  }
}
