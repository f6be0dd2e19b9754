import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { checkChat, type ChatRequest, Refusal } from './llm-requests.js';

/** A call of a tool, as a model asks for one. */
export interface LlmToolCall {
  readonly name: string;
  readonly arguments: object;
}

export interface LlmSpeech {
  /** Said before the text, as services do that show what their models think. */
  readonly thinking?: string;
  readonly text?: string;
  readonly toolCalls?: readonly LlmToolCall[];
  /** Of a stream, after what is said: it tells of an error, breaks off, or waits with its end. */
  readonly then?: 'error' | 'drop' | Promise<unknown>;
}

/** What the model does next: says something, calls tools, or fails as the real service does. */
export type LlmReply =
  | string
  | LlmSpeech
  | { readonly status: number; readonly message?: string; readonly headers?: Readonly<Record<string, string>> }
  /** Bytes in place of an answer. */
  | { readonly raw: string };

/**
 * A service that speaks the OpenAI chat-completions protocol over HTTP on a loopback port: `POST /v1/chat/completions`
 * (whole, or streamed with `stream: true`; tools) and `GET /v1/models`. It refuses what the real one refuses: a missing or
 * wrong key, bad JSON, unknown fields, roles and models, tool results that answer no call, `max_tokens` and temperatures
 * for reasoning models.
 *
 * Set `reply` for what every call gets, or queue single replies with `next`; a reply may be a function of the request.
 * `hold()` keeps answers back until the function it returns is called. `calls` are the requests that were let in.
 *
 *     const model = await LlmPeer.start();
 *     const server = await startTestServer(modelSettings(model));
 *     model.next('{"what_happened": "…"}', { status: 500 });
 *
 * A user's endpoint on it needs `OUTBOUND_ALLOW_PRIVATE: '127.0.0.0/8'`.
 */
export class LlmPeer {
  readonly key = `sk-test-${'k3y'.repeat(12)}`;
  /** The models it has; of others it says that they do not exist. */
  readonly models = ['test-model', 'other-model', 'gpt-5-test'];
  readonly calls: ChatRequest[] = [];
  /** `METHOD path` of everything that came, refused or not. */
  readonly requests: string[] = [];
  /** The key of each of them; null when it came with none. */
  readonly keys: (string | null)[] = [];
  reply: LlmReply | ((request: ChatRequest) => LlmReply) = 'Yes.';
  private readonly queue: (typeof this.reply)[] = [];
  private gate: Promise<void> = Promise.resolve();
  private served = 0;

  private constructor(private readonly server: Server) {}

  static async start(): Promise<LlmPeer> {
    const peer = new LlmPeer(createServer());
    peer.server.on('request', (request, response) => void peer.handle(request, response));
    peer.server.listen(0, '127.0.0.1');
    await once(peer.server, 'listening');
    return peer;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  get baseUrl(): string {
    return `${this.origin}/v1`;
  }

  /** What the next calls get, one each, before `reply` is used again. */
  next(...replies: (typeof this.reply)[]): void {
    this.queue.push(...replies);
  }

  /** Answers wait until the returned function is called. */
  hold(): () => void {
    let release = (): void => undefined;
    this.gate = new Promise((resolve) => (release = resolve));
    return release;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = Buffer.concat((await request.toArray()) as Buffer[]).toString();
    const route = `${request.method} ${(request.url ?? '').split('?')[0]}`;
    this.requests.push(route);
    this.keys.push(request.headers.authorization?.replace(/^Bearer /, '') ?? null);
    try {
      this.authenticate(request.headers.authorization);
      if (route === 'GET /v1/models') return send(response, 200, { object: 'list', data: this.models.map(model) });
      if (route !== 'POST /v1/chat/completions') throw new Refusal(404, `Unknown request URL: ${route}.`);
      await this.complete(checkChat(body, request.headers['content-type'], this.models), response);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      send(response, error.status, error.body);
    }
  }

  private authenticate(header: string | undefined): void {
    if (header === undefined) throw new Refusal(401, "You didn't provide an API key.");
    if (header !== `Bearer ${this.key}`) {
      const given = header.replace(/^Bearer /, '');
      throw new Refusal(401, `Incorrect API key provided: ${given}.`, 'invalid_api_key');
    }
  }

  private async complete(chat: ChatRequest, response: ServerResponse): Promise<void> {
    this.calls.push(chat);
    const planned = this.queue.shift() ?? this.reply;
    const reply = typeof planned === 'function' ? planned(chat) : planned;
    await this.gate;
    if (response.destroyed) return;
    if (typeof reply === 'object' && 'status' in reply) {
      const { body } = new Refusal(reply.status, reply.message ?? 'The server had an error.');
      return send(response, reply.status, body, reply.headers);
    }
    if (typeof reply === 'object' && 'raw' in reply) {
      response.writeHead(200, { 'content-type': 'application/json' }).end(reply.raw);
      return;
    }
    this.served += 1;
    const answer = new ChatAnswer(`chatcmpl-${this.served}`, chat, reply);
    if (chat.stream === true) await answer.stream(response);
    else send(response, 200, answer.whole());
  }
}

/** One answer in both of its forms. */
class ChatAnswer {
  private readonly speech: LlmSpeech;
  private readonly text: string | null;
  private readonly toolCalls: readonly { readonly function: { readonly name: string; readonly arguments: string } }[];

  constructor(
    private readonly id: string,
    private readonly chat: ChatRequest,
    reply: string | LlmSpeech,
  ) {
    this.speech = typeof reply === 'string' ? { text: reply } : reply;
    this.text = this.speech.text ?? null;
    this.toolCalls = (this.speech.toolCalls ?? []).map((call, index) => ({
      id: `call_${id}_${index}`,
      type: 'function',
      function: { name: call.name, arguments: JSON.stringify(call.arguments) },
    }));
  }

  whole(): object {
    const calls = this.toolCalls.length > 0 && { tool_calls: this.toolCalls };
    const message = { role: 'assistant', content: this.text, refusal: null, ...calls };
    const choices = [{ index: 0, message, logprobs: null, finish_reason: this.finish() }];
    return { ...this.head('chat.completion'), choices, usage: this.usage() };
  }

  async stream(response: ServerResponse): Promise<void> {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const write = (chunk: object): unknown =>
      response.write(`data: ${JSON.stringify({ ...this.head('chat.completion.chunk'), ...chunk })}\n\n`);
    const delta = (part: object, finish: string | null = null): unknown =>
      write({ choices: [{ index: 0, delta: part, logprobs: null, finish_reason: finish }] });
    const { thinking, then } = this.speech;
    delta({ role: 'assistant', content: this.text === null ? null : '' });
    for (const part of pieces(thinking)) delta({ reasoning_content: part });
    for (const part of pieces(this.text)) delta({ content: part });
    this.toolCalls.forEach((call, index) => {
      const { name, arguments: input } = call.function;
      delta({ tool_calls: [{ index, ...call, function: { name, arguments: '' } }] });
      for (const part of pieces(input)) delta({ tool_calls: [{ index, function: { arguments: part } }] });
    });
    if (then === 'drop') return void response.write('data: {"id":', () => response.destroy());
    if (then === 'error') return void response.end(`data: ${JSON.stringify(new Refusal(500, OVERLOADED).body)}\n\n`);
    await then;
    delta({}, this.finish());
    if (this.chat.stream_options?.include_usage === true) write({ choices: [], usage: this.usage() });
    response.end('data: [DONE]\n\n');
  }

  private head(object: string): object {
    return { id: this.id, object, created: 1_700_000_000, model: this.chat.model };
  }

  private finish(): string {
    return this.toolCalls.length > 0 ? 'tool_calls' : 'stop';
  }

  private usage(): object {
    const prompt = Math.ceil(JSON.stringify(this.chat.messages).length / 4);
    const completion = Math.ceil(((this.text ?? '').length + JSON.stringify(this.toolCalls).length) / 4);
    return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion };
  }
}

const OVERLOADED = 'The server is overloaded: secret-of-the-endpoint';
const pieces = (text: string | null | undefined): readonly string[] => text?.match(/[^]{1,16}/gu) ?? [];

const model = (id: string): object => ({ id, object: 'model', created: 1_700_000_000, owned_by: 'peer' });

function send(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}
