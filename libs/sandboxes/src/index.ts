export { whatDoorsLack } from './egress/door-folder.js';
export type { EgressDoor } from './egress/egress-door.js';
export type { ModelDoor } from './model-door/model-door.js';
export { type AccessMode, AccessScope, type WorkspacePath } from './scope/access-scope.js';
export { type FileAccess, OWN_DIRECTORIES, toFileAccess, WHOLE_WORKSPACE } from './scope/file-access.js';
export { notInScope, toWorkspacePath } from './scope/requested-path.js';
export type {
  CheckoutState,
  Conversation,
  ConversationMessage,
  ConversationRef,
} from './conversations/conversation.js';
export { Conversations } from './conversations/conversations.js';
export * from './sandboxes.module.js';
export { type Mount, mountPlan } from './provider/mount-plan.js';
export type {
  CommandFrame,
  ExecRequest,
  PlacedSandbox,
  ReportFrame,
  SandboxOperations,
} from './provider/runner-protocol.js';
export type {
  Execution,
  ExitFacts,
  LimitLevel,
  OutputChunk,
  OutputStream,
  SandboxCommand,
  SandboxLimits,
  SandboxPlace,
  SandboxSupport,
} from './provider/sandbox-provider.js';
export { RunnerSandboxes } from './provider/runner-sandboxes.js';
export { SandboxProvider } from './provider/sandbox-provider.js';
export { SandboxLifecycle, type SandboxUse } from './lifecycle/sandbox-lifecycle.js';
export { PreviewDoor } from './previews/preview-door.js';
