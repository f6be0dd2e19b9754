import { Injectable, type OnModuleInit } from '@nestjs/common';
import { EffectiveTier, hasFeature } from '#accounts';
import { EventConsumers } from '#platform';
import { ModelJobs } from '../models/model-jobs.js';
import { SESSION_PUSHED } from '../sessions.events.js';
import { NARRATIVE_JOB } from './narrative.jobs.js';
import { SummariesRepository } from './summaries.repository.js';

/** Has narratives told anew that a push has outdated, and told at all where the owner wants them with every push. */
@Injectable()
export class NarrativeRefresh implements OnModuleInit {
  constructor(
    private readonly consumers: EventConsumers,
    private readonly repository: SummariesRepository,
    private readonly tiers: EffectiveTier,
    private readonly jobs: ModelJobs,
  ) {}

  onModuleInit(): void {
    this.consumers.register({
      name: 'sessions.refresh-narratives',
      types: [SESSION_PUSHED],
      from: 'now',
      handle: ({ subjectId }) => this.refresh(subjectId),
    });
  }

  private async refresh(sessionUid: string): Promise<void> {
    const owner = await this.repository.findOutdated(sessionUid);
    if (!owner || !hasFeature(await this.tiers.ofOwner(owner), 'summary_narrative')) return;
    await this.jobs.request({ kind: NARRATIVE_JOB, sessionUid, userId: owner.userId, input: {} });
  }
}
