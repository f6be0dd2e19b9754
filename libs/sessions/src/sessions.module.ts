import { Global, Module } from '@nestjs/common';
import { AccountsModule } from '#accounts';
import { SessionCounts } from '#platform';
import { SandboxesModule } from '#sandboxes';
import { Archives } from './archive/archives.js';
import { AUDIT_PROVIDERS } from './audits/audit-providers.js';
import { AutosyncRepository } from './autosync/autosync.repository.js';
import { AutosyncService } from './autosync/autosync.service.js';
import { CAPTURE_PROVIDERS } from './capture/capture-providers.js';
import { BOOKMARK_PROVIDERS } from './bookmarks/bookmarks.providers.js';
import { CapturedAuditsController } from './http/captured-audits.controller.js';
import { DlpGate } from './dlp/dlp-gate.service.js';
import { DlpPoliciesRepository } from './dlp/dlp-policies.repository.js';
import { DlpPoliciesService } from './dlp/dlp-policies.service.js';
import { CapturedAutosyncController } from './http/captured-autosync.controller.js';
import { HANDOFF_PROVIDERS } from './handoffs/handoff-providers.js';
import { ApiAdminSessionsController } from './http/api-admin-sessions.controller.js';
import { CapturedBookmarksController } from './http/captured-bookmarks.controller.js';
import { CapturedContentController } from './http/captured-content.controller.js';
import { CapturedDlpController } from './http/captured-dlp.controller.js';
import { CapturedHandoffSummariesController } from './http/captured-handoff-summaries.controller.js';
import { CapturedHandoffsController } from './http/captured-handoffs.controller.js';
import { CapturedSearchController } from './http/captured-search.controller.js';
import { CapturedSessionsController } from './http/captured-sessions.controller.js';
import { CapturedSharedController } from './http/captured-shared.controller.js';
import { CapturedShareLinksController } from './http/captured-share-links.controller.js';
import { CapturedSummariesController } from './http/captured-summaries.controller.js';
import { CapturedSyncController } from './http/captured-sync.controller.js';
import { ConversationPasses } from './passes/conversation-passes.js';
import { CapturedTelemetryController } from './http/captured-telemetry.controller.js';
import { CapturedUploadController } from './http/captured-upload.controller.js';
import { SEARCH_PROVIDERS } from './search/search-providers.js';
import { SessionCountsRepository } from './session-counts.repository.js';
import { SessionJournal } from './session-journal.js';
import { SessionsRepository } from './sessions.repository.js';
import { SessionsService } from './sessions.service.js';
import { SessionSettingsModule } from './settings/session-settings.module.js';
import { SHARING_PROVIDERS } from './sharing/sharing.providers.js';
import { ArchiveIntake } from './sync/archive-intake.service.js';
import { PushPlan } from './sync/push-plan.js';
import { PushService } from './sync/push.service.js';
import { SUMMARY_PROVIDERS } from './summaries/summary-providers.js';
import { SessionVersionsService } from './sync/session-versions.service.js';
import { UploadSlots } from './sync/upload-slots.js';
import { UploadService } from './sync/upload.service.js';
import { VersionsRepository } from './sync/versions.repository.js';
import { UPKEEP_PROVIDERS } from './upkeep/upkeep-providers.js';

/** Captured sessions. Global, because administration asks for their counts through the platform's SessionCounts. */
@Global()
@Module({
  imports: [AccountsModule, SandboxesModule, SessionSettingsModule],
  controllers: [
    CapturedAuditsController,
    ApiAdminSessionsController,
    CapturedAutosyncController,
    CapturedDlpController,
    CapturedBookmarksController,
    CapturedHandoffsController,
    CapturedHandoffSummariesController,
    CapturedSearchController,
    CapturedSessionsController,
    CapturedSummariesController,
    CapturedSyncController,
    CapturedContentController,
    CapturedTelemetryController,
    CapturedUploadController,
    CapturedShareLinksController,
    CapturedSharedController,
  ],
  providers: [
    ...AUDIT_PROVIDERS,
    ...BOOKMARK_PROVIDERS,
    ...CAPTURE_PROVIDERS,
    ...HANDOFF_PROVIDERS,
    ...SHARING_PROVIDERS,
    ...UPKEEP_PROVIDERS,
    ...SUMMARY_PROVIDERS,
    ArchiveIntake,
    Archives,
    AutosyncRepository,
    AutosyncService,
    ConversationPasses,
    DlpGate,
    DlpPoliciesRepository,
    DlpPoliciesService,
    PushPlan,
    PushService,
    ...SEARCH_PROVIDERS,
    SessionJournal,
    SessionsRepository,
    SessionsService,
    SessionVersionsService,
    UploadService,
    UploadSlots,
    VersionsRepository,
    { provide: SessionCounts, useClass: SessionCountsRepository },
  ],
  exports: [SessionCounts, SessionsService],
})
export class SessionsModule {}
