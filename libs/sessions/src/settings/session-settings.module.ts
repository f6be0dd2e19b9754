import { BullModule } from '@nestjs/bullmq';
import { Module } from '@nestjs/common';
import { GithubInstallationsRepository } from '../github/github-installations.repository.js';
import { GithubSettingsService } from '../github/github-settings.service.js';
import { GithubWebhookService } from '../github/github-webhook.service.js';
import { PullRequests } from '../github/pull-requests.js';
import { CapturedForgeSettingsController } from '../http/captured-forge-settings.controller.js';
import { CapturedJudgeSettingsController } from '../http/captured-judge-settings.controller.js';
import { GithubWebhookController } from '../http/github-webhook.controller.js';
import { JudgeSettingsService } from '../models/judge-settings.service.js';
import { MODEL_QUEUE, ModelJobs } from '../models/model-jobs.js';
import { ModelJobsRepository } from '../models/model-jobs.repository.js';
import { ModelJobRunner } from '../models/model.jobs.js';
import { GitlabSettingsService } from './gitlab-settings.service.js';
import { SettingsJournal } from './settings-journal.js';
import { SettingsRepository } from './settings.repository.js';
import { TriggersService } from './triggers.service.js';

/** What a person sets for sessions, and the jobs that ask the models so set. */
@Module({
  imports: [BullModule.registerQueue({ name: MODEL_QUEUE })],
  controllers: [CapturedJudgeSettingsController, CapturedForgeSettingsController, GithubWebhookController],
  providers: [
    GithubInstallationsRepository,
    GithubSettingsService,
    GithubWebhookService,
    PullRequests,
    GitlabSettingsService,
    JudgeSettingsService,
    ModelJobRunner,
    ModelJobs,
    ModelJobsRepository,
    SettingsJournal,
    SettingsRepository,
    TriggersService,
  ],
  exports: [JudgeSettingsService, ModelJobs, TriggersService],
})
export class SessionSettingsModule {}
