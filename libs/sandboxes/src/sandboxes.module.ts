import { Module, type OnApplicationShutdown } from '@nestjs/common';
import { AccountsModule } from '#accounts';
import { AppConfig } from '#platform';
import { ACCOUNT_SANDBOX_PROVIDERS } from './account-sandboxes/account-sandbox-providers.js';
import { AGENT_PROVIDERS } from './agent/agent-providers.js';
import { AgentSessionCreation } from './agent-sessions/agent-session-creation.js';
import { AgentSessionsRepository } from './agent-sessions/agent-sessions.repository.js';
import { AgentSessionsService } from './agent-sessions/agent-sessions.service.js';
import { CHAT_RUN_PROVIDERS } from './chat-runs/chat-run-providers.js';
import { ChatMessagesService } from './chats/chat-messages.service.js';
import { ChatsRepository } from './chats/chats.repository.js';
import { ChatsService } from './chats/chats.service.js';
import { DeletedChats } from './chats/deleted-chats.js';
import { CloneHosts } from './coding-sessions/clone-url.js';
import { CodingSessionCreation } from './coding-sessions/coding-session-creation.js';
import { CodingSessionsRepository } from './coding-sessions/coding-sessions.repository.js';
import { CodingSessionsService } from './coding-sessions/coding-sessions.service.js';
import { ConversationCheckouts } from './conversations/conversation-checkouts.js';
import { Conversations } from './conversations/conversations.js';
import { ConversationsRepository } from './conversations/conversations.repository.js';
import { Egress } from './egress/egress.js';
import { EgressDenials } from './egress/egress-denials.js';
import { ExecutionLogs } from './executions/execution-logs.js';
import { ExecutionStarts } from './executions/execution-starts.js';
import { ExecutionsRepository } from './executions/executions.repository.js';
import { ExecutionsService } from './executions/executions.service.js';
import { RunningExecutions } from './executions/running-executions.js';
import { AgentExecutionsController } from './http/agent-executions.controller.js';
import { AgentFilesController } from './http/agent-files.controller.js';
import { AgentMessagesController } from './http/agent-messages.controller.js';
import { AgentResponsesController } from './http/agent-responses.controller.js';
import { AgentSessionsController } from './http/agent-sessions.controller.js';
import { AgentSkillsController } from './http/agent-skills.controller.js';
import { ApiChatRunsController } from './http/api-chat-runs.controller.js';
import { ApiChatsController } from './http/api-chats.controller.js';
import { ApiPreviewsController } from './http/api-previews.controller.js';
import { ApiSandboxController } from './http/api-sandbox.controller.js';
import { ApiSandboxesController } from './http/api-sandboxes.controller.js';
import { ApiSandboxFilesController } from './http/api-sandbox-files.controller.js';
import { ApiSessionsController } from './http/api-sessions.controller.js';
import { ApiWorkbenchController } from './http/api-workbench.controller.js';
import { LIFECYCLE_PROVIDERS } from './lifecycle/lifecycle-providers.js';
import { PREVIEW_PROVIDERS } from './previews/preview-providers.js';
import { RunnerSandboxes } from './provider/runner-sandboxes.js';
import { SandboxProvider } from './provider/sandbox-provider.js';
import { UiStreamSender } from './http/ui-stream-sender.js';
import { SandboxHoldings } from './sandbox-holdings.js';
import { SandboxHealth } from './sandbox-health.js';
import { SandboxJournal } from './sandbox-journal.js';
import { SandboxesRepository } from './sandboxes.repository.js';
import { SKILL_PROVIDERS } from './skills/skill-providers.js';
import { WORKBENCH_PROVIDERS } from './workbench/workbench-providers.js';
import { InstructionFiles } from './workspace/instruction-files.js';
import { WorkspaceFiles } from './workspace/workspace-files.js';
import { WorkspaceRoom } from './workspace/workspace-room.js';
import { Workspaces } from './workspace/workspaces.js';

const cloneHosts = {
  provide: CloneHosts,
  inject: [AppConfig],
  useFactory: (config: AppConfig) => new CloneHosts(config.SANDBOX_CLONE_HOSTS, config.publicUrl),
};

const provider = {
  provide: SandboxProvider,
  inject: [AppConfig, Workspaces, Egress],
  useFactory: (config: AppConfig, { root }: Workspaces, egress: Egress) =>
    new RunnerSandboxes({
      workspaces: root,
      uid: config.SANDBOX_UID,
      searchPath: config.SANDBOX_PATH,
      fileBytes: config.SANDBOX_DISK_BYTES,
      egress,
    }),
};

/** Sandboxes: sessions of both surfaces and the chats in them. */
@Module({
  imports: [AccountsModule],
  controllers: [
    AgentSessionsController,
    AgentFilesController,
    AgentMessagesController,
    AgentResponsesController,
    ApiSessionsController,
    ApiChatsController,
    ApiWorkbenchController,
    ApiPreviewsController,
    ApiSandboxController,
    ApiSandboxesController,
    ApiSandboxFilesController,
    AgentExecutionsController,
    AgentSkillsController,
    ApiChatRunsController,
  ],
  providers: [
    ...ACCOUNT_SANDBOX_PROVIDERS,
    ...AGENT_PROVIDERS,
    AgentSessionCreation,
    AgentSessionsRepository,
    AgentSessionsService,
    ChatMessagesService,
    ...CHAT_RUN_PROVIDERS,
    ChatsRepository,
    ChatsService,
    cloneHosts,
    CodingSessionCreation,
    CodingSessionsRepository,
    CodingSessionsService,
    ConversationCheckouts,
    Conversations,
    ConversationsRepository,
    DeletedChats,
    Egress,
    EgressDenials,
    ExecutionLogs,
    ExecutionsRepository,
    ExecutionsService,
    ExecutionStarts,
    InstructionFiles,
    ...LIFECYCLE_PROVIDERS,
    ...PREVIEW_PROVIDERS,
    provider,
    RunningExecutions,
    SandboxesRepository,
    SandboxHealth,
    SandboxHoldings,
    SandboxJournal,
    ...SKILL_PROVIDERS,
    ...WORKBENCH_PROVIDERS,
    UiStreamSender,
    WorkspaceFiles,
    WorkspaceRoom,
    Workspaces,
  ],
  exports: [Conversations],
})
export class SandboxesModule implements OnApplicationShutdown {
  constructor(private readonly provider: SandboxProvider) {}

  /** Last of all: what still runs ends with it. */
  onApplicationShutdown(): Promise<void> {
    return this.provider.close();
  }
}
