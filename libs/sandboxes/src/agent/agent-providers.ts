import type { Provider } from '@nestjs/common';
import { AgentCommand } from '../agent-command/agent-command.js';
import { AgentResponsesService } from './agent-responses.service.js';
import { AgentRunsRepository } from './agent-runs.repository.js';
import { AgentRunSweep } from './agent-run-sweep.js';
import { AgentRuns } from './agent-runs.service.js';
import { AgentTurnsRepository } from './agent-turns.repository.js';
import { AgentTurnsService } from './agent-turns.service.js';
import { ClientToolCalls } from './client-tool-calls.js';
import { SandboxAgent } from './sandbox-agent.js';
import { SandboxTools } from './sandbox-tools.js';
import { SessionAgent } from './session-agent.js';
import { SessionInstructions } from './session-instructions.js';
import { StatelessResponsesService } from './stateless-responses.service.js';
import { TurnBooks } from './turn-books.js';
import { TurnKeysRepository } from './turn-keys.repository.js';
import { TurnLimits } from './turn-limits.js';

/** Runs of agents, and the turns of agent sessions. */
export const AGENT_PROVIDERS: Provider[] = [
  AgentCommand,
  AgentResponsesService,
  AgentRunsRepository,
  AgentRunSweep,
  AgentRuns,
  AgentTurnsRepository,
  AgentTurnsService,
  ClientToolCalls,
  SandboxAgent,
  SandboxTools,
  SessionAgent,
  SessionInstructions,
  StatelessResponsesService,
  TurnBooks,
  TurnKeysRepository,
  TurnLimits,
];
