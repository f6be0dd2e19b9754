import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Logger } from '@nestjs/common';
import { DomainError } from '#kernel';
import { clientGone, type Llm, type LlmEndpoint, LLM_REQUEST_FAILED } from '#platform';
import type { TokenUsage } from '../agent/agent-event.js';
import { hasRelayProgram, newDoorFolder, RELAY_PROGRAM } from '../egress/door-folder.js';
import { ChatAnswer, guessUsage } from './chat-answer.js';
import { toChatRequest } from './chat-request.js';
import type { ModelDoor } from './model-door.js';

export interface TurnModelTerms {
  readonly endpoint: LlmEndpoint;
  readonly maxCalls: number;
  /** Of input and output together. */
  readonly maxTokens: number;
  /** Told whenever it has grown. */
  readonly used: (usage: TokenUsage) => void;
}

/** Parsed on the main thread. */
const MAX_BODY_BYTES = 1_048_576;
/** At once: none of them is counted before it has ended. */
const MAX_CALLS_AT_ONCE = 4;
const MAX_CONNECTIONS = 32;

/**
 * The model as one turn of a command may use it, at a socket of the turn's own: completions by the turn's model, for who
 * has the turn's token, up to the turn's limits. The endpoint's key stays on this side.
 */
export class TurnModel implements ModelDoor {
  readonly token = `turn-${randomBytes(32).toString('hex')}`;
  usage: TokenUsage = { inputTokens: 0, outputTokens: 0 };
  /** The limit that a call was refused for. */
  limit: 'token_budget' | 'max_steps' | null = null;
  private readonly log = new Logger(TurnModel.name);
  private readonly server: Server;
  private readonly stop = new AbortController();
  private readonly open = new Set<Promise<void>>();
  private calls = 0;
  private running = 0;

  private constructor(
    private readonly llm: Llm,
    private readonly terms: TurnModelTerms,
    private readonly folder: string,
  ) {
    const limits = { headersTimeout: 10_000, requestTimeout: 30_000, connectionsCheckingInterval: 5_000 };
    this.server = createServer(limits, (request, response) => {
      const served = this.serve(request, response).finally(() => this.open.delete(served));
      this.open.add(served);
    });
    this.server.maxConnections = MAX_CONNECTIONS;
  }

  /** Errors: `unavailable` where sandboxes cannot reach it. */
  static async open(llm: Llm, terms: TurnModelTerms): Promise<TurnModel> {
    if (!(await hasRelayProgram()))
      throw new DomainError('unavailable', `The agent's command needs ${RELAY_PROGRAM}; install perl`, {
        reason: 'agent_command_unavailable',
      });
    const model = new TurnModel(llm, terms, await newDoorFolder('model'));
    try {
      await new Promise<void>((resolve, reject) => {
        model.server.once('error', reject);
        model.server.listen({ path: model.socket, readableAll: true, writableAll: true }, resolve);
      });
    } catch (error) {
      await model.close();
      throw error;
    }
    return model;
  }

  get socket(): string {
    return join(this.folder, 'model.sock');
  }

  /** The token is worth nothing from now on; resolves once everything is counted. */
  async close(): Promise<void> {
    this.stop.abort();
    this.server.close();
    this.server.closeAllConnections();
    await Promise.all(this.open);
    await rm(this.folder, { recursive: true, force: true });
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      if (this.stop.signal.aborted || !this.isToken(request.headers.authorization))
        throw new DomainError('unauthorized', 'The token is not of this turn', { reason: 'invalid_api_key' });
      const route = `${request.method} ${(request.url ?? '').split('?')[0]}`;
      if (route === 'GET /v1/models') return send(response, 200, JSON.stringify(this.models()));
      if (route !== 'POST /v1/chat/completions')
        throw new DomainError('not_found', 'There is POST /v1/chat/completions and GET /v1/models');
      await this.complete(await bodyOf(request), response);
    } catch (error) {
      if (response.headersSent || response.destroyed) return void response.destroy();
      if (!(error instanceof DomainError)) this.log.error({ msg: 'a call of a model failed', err: error });
      refuse(response, error);
    }
  }

  private async complete(text: string, response: ServerResponse): Promise<void> {
    const tokensLeft = this.admit();
    const request = toChatRequest(text, { model: this.terms.endpoint.model, tokensLeft });
    this.calls += 1;
    this.running += 1;
    const signal = AbortSignal.any([this.stop.signal, clientGone(response)]);
    let answer: ChatAnswer | null = null;
    try {
      const answered = await this.llm.forward(this.terms.endpoint, JSON.stringify(request.body), signal);
      answer = new ChatAnswer(answered, request.wantsUsage);
      if (request.isStream) await sendStream(response, answer);
      else await sendWhole(response, answer);
    } finally {
      this.running -= 1;
      // A model that was left waiting has read the request all the same.
      if (answer || signal.aborted) this.count(answer?.usage(text) ?? guessUsage(text, 0));
    }
  }

  /** How many tokens are left. Errors: `rate_limited`. */
  private admit(): number {
    const left = this.terms.maxTokens - this.usage.inputTokens - this.usage.outputTokens;
    if (left <= 0) throw this.over('token_budget', `This turn has used its ${this.terms.maxTokens} tokens`);
    if (this.calls >= this.terms.maxCalls)
      throw this.over('max_steps', `This turn has called the model ${this.terms.maxCalls} times`);
    if (this.running < MAX_CALLS_AT_ONCE) return left;
    throw new DomainError('rate_limited', `More than ${MAX_CALLS_AT_ONCE} calls at once`, {
      headers: { 'Retry-After': '1' },
    });
  }

  private over(limit: NonNullable<TurnModel['limit']>, message: string): DomainError {
    this.limit = limit;
    return new DomainError('rate_limited', message, { reason: limit });
  }

  private count({ inputTokens, outputTokens }: TokenUsage): void {
    this.usage = {
      inputTokens: this.usage.inputTokens + inputTokens,
      outputTokens: this.usage.outputTokens + outputTokens,
    };
    this.terms.used(this.usage);
  }

  private models(): object {
    const model = { id: this.terms.endpoint.model, object: 'model', created: 0, owned_by: 'installation' };
    return { object: 'list', data: [model] };
  }

  private isToken(header: string | undefined): boolean {
    const given = /^bearer +(\S+)$/i.exec(header ?? '')?.[1] ?? '';
    return timingSafeEqual(digest(given), digest(this.token));
  }
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  // Its connection is needed for the answer.
  for await (const part of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > MAX_BODY_BYTES)
      throw new DomainError('payload_too_large', `A request has at most ${MAX_BODY_BYTES} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

async function sendWhole(response: ServerResponse, answer: ChatAnswer): Promise<void> {
  const text = await answer.whole();
  if (text === null)
    throw new DomainError('upstream_failed', 'The language model gave no completion', { reason: LLM_REQUEST_FAILED });
  send(response, 200, text);
}

async function sendStream(response: ServerResponse, answer: ChatAnswer): Promise<void> {
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
  await pipeline(Readable.from(answer.stream()), response);
}

function send(response: ServerResponse, status: number, text: string, headers: Record<string, string> = {}): void {
  response.writeHead(status, { ...headers, 'Content-Type': 'application/json' }).end(text);
}

/** In the protocol's envelope. */
function refuse(response: ServerResponse, error: unknown): void {
  const known = error instanceof DomainError ? error : new DomainError('internal', 'Internal server error');
  const { message, reason, code, field, headers, details } = known;
  // What the endpoint refuses is the request's doing, as far as it is not the key's.
  const told = details['llm_status'];
  const status = typeof told === 'number' && PASSED_ON.has(told) ? told : known.status;
  const type = status >= 500 ? 'server_error' : status === 429 ? 'requests' : 'invalid_request_error';
  const body = { error: { message, type, param: field ?? null, code: reason ?? code } };
  // The rest of a body that is too long is not read.
  send(response, status, JSON.stringify(body), { ...headers, Connection: 'close' });
}

const PASSED_ON = new Set([400, 413, 422, 429]);
