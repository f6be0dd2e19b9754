import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { availableParallelism } from 'node:os';
import { Transform, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { DomainError } from '#kernel';
import { GitChild } from './git-child.js';
import { gitEnvironment } from './git-command.js';
import type { Call, Lane, Operation } from './operation.js';
import { OPERATIONS } from './operations/all.js';
import { ParamReader } from './params.js';
import { answer, answerError, parseJson, readJson } from './runner-http.js';
import { Slots, type SlotLimits } from './slots.js';

export interface RunnerOptions {
  /** Repositories outside this folder are refused. */
  readonly root: string;
  /** The folder that repositories may be checked out below; none when null. */
  readonly workspaces: string | null;
  /** Whether the operations that only serve as yardsticks are offered. */
  readonly bench: boolean;
  /** Where git is found (a PATH). */
  readonly searchPath: string;
  /** Certificates that git trusts; its own choice when null. */
  readonly caFile: string | null;
}

const CORES = availableParallelism();
const QUEUE = 512;
const LANES: Readonly<Record<Lane, SlotLimits>> = {
  pack: { active: 2 * CORES, total: 16 * CORES, slowAfterMs: 10_000, queue: QUEUE },
  query: { active: 4 * CORES, total: 8 * CORES, slowAfterMs: 30_000, queue: QUEUE },
  maintenance: { active: 1, total: 1, slowAfterMs: 86_400_000, queue: QUEUE },
};

type AnyOperation = Operation<keyof typeof OPERATIONS>;

/** Serves the operations over HTTP: `POST /<operation>`; one connection per call, closed with it. */
export function createRunnerServer(options: RunnerOptions): Server {
  const lanes: Record<Lane, Slots> = {
    pack: new Slots(LANES.pack),
    query: new Slots(LANES.query),
    maintenance: new Slots(LANES.maintenance),
  };
  const server = createServer({ requestTimeout: 0, headersTimeout: 10_000, keepAlive: false }, (request, response) => {
    handle(request, response, options, lanes).catch((error: unknown) => answerError('git', request, response, error));
  });
  server.timeout = 0;
  return server;
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  options: RunnerOptions,
  lanes: Readonly<Record<Lane, Slots>>,
): Promise<void> {
  const operation = findOperation(request, options);
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  response.on('error', () => gone.abort());
  const given = operation.body === 'params' ? await readJson(request) : headerParams(request);
  const params = operation.params(new ParamReader(given, options.root, options.workspaces));
  const release = await lanes[operation.lane].acquire(gone.signal);
  const children: GitChild[] = [];
  try {
    const result = await operation.run({
      params: params as never,
      caFile: options.caFile,
      body: request,
      signal: gone.signal,
      git: (command, limits) => {
        const environment = gitEnvironment(command, options.searchPath);
        const run = { args: command.args, folder: command.folder ?? command.repo, environment };
        const child = new GitChild(run, limits, gone.signal);
        children.push(child);
        return child;
      },
      send: (output, how = {}) => send(response, output, how),
    });
    if (response.headersSent) response.end();
    else answer(response, 200, result ?? null);
  } finally {
    for (const child of children) child.stop();
    release();
  }
}

function findOperation(request: IncomingMessage, options: RunnerOptions): AnyOperation {
  const name = (request.url ?? '').slice(1);
  const operation = Object.hasOwn(OPERATIONS, name)
    ? (OPERATIONS[name as keyof typeof OPERATIONS] as AnyOperation)
    : null;
  if (!operation || (operation.benchOnly && !options.bench)) throw new DomainError('not_found', 'No such operation');
  return operation;
}

/** Pipes with back-pressure; ends a caller who reads nothing for `stallSeconds`. The response is left open. */
async function send(
  response: ServerResponse,
  output: Readable,
  { early = false, stallSeconds }: NonNullable<Parameters<Call<unknown>['send']>[1]>,
): Promise<number> {
  let bytes = 0;
  let timer: NodeJS.Timeout | undefined;
  const stall = (): void => void guard.destroy(new DomainError('timeout', 'The caller stopped reading'));
  const guard = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      clearTimeout(timer);
      if (stallSeconds !== undefined && response.writableNeedDrain) timer = setTimeout(stall, stallSeconds * 1000);
      done(null, chunk);
    },
  });
  if (early) response.writeHead(200, { 'Content-Type': 'application/octet-stream' }).flushHeaders();
  try {
    await pipeline(output, guard, response, { end: false });
  } finally {
    clearTimeout(timer);
  }
  return bytes;
}

function headerParams(request: IncomingMessage): unknown {
  const header = request.headers['x-params'];
  return parseJson(decodeURIComponent(typeof header === 'string' ? header : ''));
}
