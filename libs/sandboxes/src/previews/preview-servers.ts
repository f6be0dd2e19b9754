import { request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import type { Principal } from '#platform';
import { ExecutionLogs } from '../executions/execution-logs.js';
import { ExecutionStarts } from '../executions/execution-starts.js';
import { ExecutionsRepository } from '../executions/executions.repository.js';
import { RunningExecutions } from '../executions/running-executions.js';
import type { Execution } from '../provider/sandbox-provider.js';
import type { WorkspacePath } from '../scope/access-scope.js';
import type { Workbench } from '../workbench/workbenches.js';
import { Entrance } from './entrance.js';
import {
  EDITOR_PORT,
  newPreviewId,
  OPEN_PORTS,
  portTaken,
  type Preview,
  previewElsewhere,
  type PreviewKind,
} from './preview.js';
import { type PreviewRecord, PreviewsRepository } from './previews.repository.js';
import { RunningPreviews } from './running-previews.js';

/** What is to run. */
export interface PreviewCommand {
  readonly argv: readonly string[];
  readonly cwd: WorkspacePath;
  readonly packagePath: string | null;
  /** Where it is told to listen. */
  readonly port: number;
}

const START_MS = 60_000;
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 500;
/** The first page of some servers takes its time. */
const PROBE_MS = 20_000;
/** Of what it printed: characters, and of these lines and characters that are passed on. */
const TOLD = 4_000;
const TOLD_LINES = 8;
const SHOWN = 800;

/** The servers in sandboxes that browsers are shown: one of a kind in each, commands like others otherwise. */
@Injectable()
export class PreviewServers {
  constructor(
    private readonly starts: ExecutionStarts,
    private readonly executions: RunningExecutions,
    private readonly repository: ExecutionsRepository,
    private readonly logs: ExecutionLogs,
    private readonly previews: PreviewsRepository,
    private readonly running: RunningPreviews,
  ) {}

  /**
   * The one that runs, or a new one once it answers; whoever asks meanwhile gets the same. Errors: what `describe` throws;
   * `conflict` (`port_taken`, `preview_elsewhere`; `preview_failed` with what it said), `timeout`, `rate_limited`,
   * `unavailable`.
   */
  start(
    caller: Principal,
    workbench: Workbench,
    kind: PreviewKind,
    describe: () => Promise<PreviewCommand>,
  ): Promise<Preview> {
    const { id } = workbench.session;
    return this.running.once(id, kind, async () => {
      const there = this.running.of(id, kind);
      return there ?? this.launch(caller, workbench, kind, await describe());
    });
  }

  /** That of this process; null also while it does not answer yet. */
  shown(sandboxId: string, kind: PreviewKind): Preview | null {
    const preview = this.running.of(sandboxId, kind);
    return preview?.isReady ? preview : null;
  }

  /** Whichever process it runs in. */
  async find(sandboxId: string, kind: PreviewKind): Promise<PreviewRecord | null> {
    return (await this.previews.findLive(sandboxId)).find((live) => live.kind === kind) ?? null;
  }

  /** Answers what ran, once it has ended; what runs in another process ends soon. Null when nothing did. */
  async stop(sandboxId: string, kind: PreviewKind): Promise<PreviewRecord | null> {
    const record = await this.find(sandboxId, kind);
    if (!record || !(await this.repository.requestCancel(record.executionId))) return null;
    const here = this.executions.get(record.executionId);
    here?.execution.cancel();
    await here?.done;
    return record;
  }

  private async launch(
    caller: Principal,
    { session, place }: Workbench,
    kind: PreviewKind,
    { argv, cwd, packagePath, port }: PreviewCommand,
  ): Promise<Preview> {
    const entrance = await Entrance.create();
    let preview: Preview | null = null;
    try {
      const env = { PORT: String(port), BROWSER: 'none', NO_UPDATE_NOTIFIER: '1' };
      const command = { argv, cwd, env, entrance: entrance.socket };
      const claim = (id: string): Promise<void> => this.claim(session.id, { kind, executionId: id, packagePath, port });
      const { id: executionId, execution } = await this.starts.startServer(caller, session, place, command, claim);
      const facts = { sandboxId: session.id, kind, executionId, packagePath, entrance };
      preview = { ...facts, id: newPreviewId(), port, isReady: false };
      this.running.add(preview);
      await this.untilReady(preview, execution).catch((error: unknown) => {
        execution.cancel();
        throw error;
      });
      return preview;
    } catch (error) {
      if (preview) await this.running.remove(preview);
      else await entrance.close();
      throw error;
    }
  }

  /** In the transaction that starts it; starts in one sandbox wait for each other there. */
  private async claim(sandboxId: string, record: PreviewRecord): Promise<void> {
    const others = await this.previews.findLive(sandboxId);
    if (others.some(({ kind }) => kind === record.kind)) throw previewElsewhere();
    if (others.some(({ port }) => port === record.port)) throw portTaken(record.port);
    await this.previews.put(sandboxId, record);
  }

  private async untilReady(preview: Preview, execution: Execution): Promise<void> {
    const { kind, executionId, port } = preview;
    let hasEnded = false;
    const end = (): void => {
      hasEnded = true;
      void this.running.remove(preview);
    };
    execution.exit.then(end, end);
    const others = kind === 'code-editor' ? [] : OPEN_PORTS.filter((open) => open !== EDITOR_PORT && open !== port);
    const found = await portThatAnswers(preview.entrance, [port, ...others], () => hasEnded);
    if (found === null) throw await this.failureOf(preview, execution, !hasEnded);
    if (found !== port) await this.previews.setPort(executionId, found);
    preview.port = found;
    preview.isReady = true;
  }

  /** Ends it. */
  private async failureOf(
    { kind, executionId, sandboxId, port }: Preview,
    execution: Execution,
    isLate: boolean,
  ): Promise<DomainError> {
    const what = `The ${kind.replace('-', ' ')}`;
    const done = this.executions.get(executionId)?.done;
    execution.cancel();
    await done;
    const told = await this.lastWords({ id: executionId, sandboxId });
    if (isLate)
      return new DomainError('timeout', `${what} does not answer at port ${port}${told}`, {
        reason: 'preview_not_answering',
      });
    return new DomainError('conflict', `${what} has ended: ${await endOf(execution)}${told}`, {
      reason: 'preview_failed',
    });
  }

  /** The end of what it printed, on one line. */
  private async lastWords(owner: { readonly id: string; readonly sandboxId: string }): Promise<string> {
    let told = '';
    const tail = { isOver: () => true, news: () => Promise.resolve() };
    for await (const { data } of this.logs.read(owner, tail)) told = (told + data.toString('utf8')).slice(-TOLD);
    const shown = gistOf(told);
    return shown === '' ? '' : `: ${shown}`;
  }
}

/** What it says of itself, and not where in its code it was: runtimes print that around the one line that matters. */
export function gistOf(text: string): string {
  return text
    .replace(/\u001b\[[\d;]*[A-Za-z]/g, '')
    .split(/[\r\n]+/)
    .filter((line) => /[\p{L}\d]/u.test(line) && !/^\s+at /.test(line))
    .slice(-TOLD_LINES)
    .map((line) => line.replace(/\p{C}+/gu, ' ').trim())
    .join(' / ')
    .slice(0, SHOWN)
    .toWellFormed();
}

async function endOf({ exit }: Execution): Promise<string> {
  try {
    const { code, oomKilled, cancelled, diskFull, timedOut } = await exit;
    if (cancelled) return 'it was stopped';
    if (oomKilled) return 'it ran out of memory';
    if (diskFull) return 'the workspace is full';
    return timedOut ? 'it ran too long' : `exit code ${code}`;
  } catch (error) {
    if (error instanceof DomainError) return error.message;
    throw error;
  }
}

/** Null when it has ended, or time is up. */
async function portThatAnswers(
  entrance: Entrance,
  ports: readonly number[],
  hasEnded: () => boolean,
): Promise<number | null> {
  const until = performance.now() + START_MS;
  for (let wait = FIRST_PAUSE_MS; !hasEnded(); wait = Math.min(wait * 2, LONGEST_PAUSE_MS)) {
    for (const port of ports) if (await answers(entrance, port)) return port;
    if (performance.now() > until) return null;
    await pause(wait);
  }
  return null;
}

/** Whether anything that speaks HTTP is there; whatever it says will do. */
async function answers(entrance: Entrance, port: number): Promise<boolean> {
  const socket = await entrance.connect(port).catch(whenBusy);
  if (!socket) return false;
  return new Promise((resolve) => {
    socket.setTimeout(PROBE_MS, () => socket.destroy());
    const headers = { host: `localhost:${port}`, accept: '*/*' };
    const asked = request({ createConnection: () => socket, path: '/', headers, setHost: false });
    asked.once('response', (answer) => {
      resolve(true);
      answer.destroy();
    });
    asked.on('error', () => resolve(false));
    // Also where something else than an answer has come.
    asked.once('close', () => resolve(false));
    asked.end();
  });
}

/** It has ended, or has no relay that could say whether anybody listens. */
function whenBusy(error: unknown): null {
  if (error instanceof DomainError && error.code === 'unavailable') return null;
  throw error;
}
