import { Injectable, type OnModuleInit } from '@nestjs/common';
import { EffectiveTier, hasFeature } from '#accounts';
import { AppConfig, EventConsumers } from '#platform';
import { ModelJobs } from '../models/model-jobs.js';
import { SESSION_IN_PULL_REQUEST, SESSION_PUSHED } from '../sessions.events.js';
import type { Trigger } from '../settings/settings.repository.js';
import { NARRATIVE_JOB } from './narrative.jobs.js';
import { SummariesRepository } from './summaries.repository.js';

/**
 * Has narratives told anew that a push has outdated, and told at all where the owner wants them with every push or pull
 * request; of one session no more often than the operator allows.
 */
@Injectable()
export class NarrativeRefresh implements OnModuleInit {
  constructor(
    private readonly consumers: EventConsumers,
    private readonly repository: SummariesRepository,
    private readonly tiers: EffectiveTier,
    private readonly jobs: ModelJobs,
    private readonly config: AppConfig,
  ) {}

  onModuleInit(): void {
    this.consumers.register({
      name: 'sessions.refresh-narratives',
      types: [SESSION_PUSHED, SESSION_IN_PULL_REQUEST],
      from: 'now',
      handle: ({ type, subjectId }) => this.refresh(subjectId, type === SESSION_IN_PULL_REQUEST ? 'on_pr' : 'on_sync'),
    });
  }

  private async refresh(sessionUid: string, trigger: Trigger): Promise<void> {
    const owner = await this.repository.findOutdated(sessionUid, trigger);
    if (!owner || !hasFeature(await this.tiers.ofOwner(owner), 'summary_narrative')) return;
    const apartSeconds = this.config.NARRATIVE_INTERVAL_SECONDS;
    await this.jobs.request({ kind: NARRATIVE_JOB, sessionUid, userId: owner.userId, input: {}, apartSeconds });
  }
}
