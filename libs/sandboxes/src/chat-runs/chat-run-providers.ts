import type { Provider } from '@nestjs/common';
import { ChatAgent } from './chat-agent.js';
import { ChatLog } from './chat-log.js';
import { ChatRunEnds } from './chat-run-ends.js';
import { ChatRuns } from './chat-runs.service.js';
import { ChatStartsService } from './chat-starts.service.js';

/** What answers in chats. */
export const CHAT_RUN_PROVIDERS: Provider[] = [ChatAgent, ChatLog, ChatRunEnds, ChatRuns, ChatStartsService];
