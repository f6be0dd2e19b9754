import { Injectable, Logger } from '@nestjs/common';
import { AppConfig } from '../config/app-config.js';
import { Outbound } from '../http/outbound.js';
import { isReasoningModel, LLM_PROVIDERS, type LlmEndpoint, llmProviderOf } from './llm-endpoint.js';
import { describeFailure, llmFailure, llmNotConfigured } from './llm-failure.js';
import { type LlmPart, LlmSilence, type LlmTurn, streamStep } from './llm-stream.js';

export interface LlmPrompt {
  readonly system: string;
  readonly user: string;
}

export interface LlmTerms {
  /** For the whole call, a second try included; 120 s by default. */
  readonly timeoutMs?: number;
  /** 4,096 by default. */
  readonly maxTokens?: number;
  /** Ends the call; the promise is rejected with its reason. */
  readonly signal?: AbortSignal;
}

export interface LlmAnswer {
  readonly text: string;
  /** As far as the endpoint counts them. */
  readonly usage: { readonly inputTokens: number | null; readonly outputTokens: number | null };
}

export interface LlmModel {
  readonly id: string;
  readonly ownedBy: string;
}

const TIMEOUT_MS = 120_000;
const LIST_TIMEOUT_MS = 15_000;
const MAX_TOKENS = 4_096;
/** Of the output of a reasoning model, this part may be its answer. */
const THOUGHT_FACTOR = 4;
/** Parsed on the main thread; the longest answer asked for is a tenth of it. */
const MAX_ANSWER_BYTES = 1_048_576;
const MAX_MODELS = 1_000;
const RETRIES = 1;

const NEVER = new AbortController().signal;

type Fetch = typeof globalThis.fetch;

/**
 * Asks language models: the installation's own, or one that a user named. Never writes a key, a prompt or an answer
 * anywhere. Prompts come in with their secrets redacted.
 */
@Injectable()
export class Llm {
  private readonly log = new Logger(Llm.name);

  constructor(
    private readonly config: AppConfig,
    private readonly outbound: Outbound,
  ) {}

  /** The endpoint of the installation; null when there is none. */
  get ofInstallation(): LlmEndpoint | null {
    const { LLM_MODEL: model, LLM_BASE_URL: url, LLM_API_KEY: apiKey } = this.config;
    if (model === undefined) return null;
    const baseUrl = (url ?? LLM_PROVIDERS[llmProviderOf(model)]).replace(/\/+$/, '');
    return { baseUrl, apiKey: apiKey ?? null, model, isTrusted: true };
  }

  /**
   * One answer to one question. Errors: `unavailable` (`llm_not_configured`) for no endpoint; `upstream_failed`
   * (`llm_request_failed`); `timeout` (`llm_timeout`); `invalid_input` (`address_not_allowed`) for an endpoint of a user
   * that is not on the public internet.
   */
  async complete(endpoint: LlmEndpoint | null, prompt: LlmPrompt, terms: LlmTerms = {}): Promise<LlmAnswer> {
    if (endpoint === null) throw llmNotConfigured();
    // The SDK is large: who asks no model does without it.
    const [{ generateText }, { createOpenAICompatible }] = await Promise.all([
      import('ai'),
      import('@ai-sdk/openai-compatible'),
    ]);
    const limit = AbortSignal.timeout(terms.timeoutMs ?? TIMEOUT_MS);
    const thinks = isReasoningModel(endpoint.model);
    const provider = createOpenAICompatible({
      name: 'llm',
      baseURL: endpoint.baseUrl,
      fetch: this.fetchOf(endpoint, terms.timeoutMs ?? TIMEOUT_MS),
      ...(endpoint.apiKey !== null && { apiKey: endpoint.apiKey }),
      transformRequestBody: (body) => (thinks ? forReasoning(body) : body),
    });
    try {
      const { text, usage } = await generateText({
        model: provider(endpoint.model),
        instructions: prompt.system,
        prompt: prompt.user,
        maxOutputTokens: terms.maxTokens ?? MAX_TOKENS,
        ...(!thinks && { temperature: 0 }),
        maxRetries: RETRIES,
        abortSignal: terms.signal ? AbortSignal.any([limit, terms.signal]) : limit,
        telemetry: { isEnabled: false },
      });
      return { text, usage: { inputTokens: usage.inputTokens ?? null, outputTokens: usage.outputTokens ?? null } };
    } catch (error) {
      throw this.explain(error, endpoint, limit, terms.signal);
    }
  }

  /**
   * One step of a conversation as it is said; calls of tools are told, not run. Errors: as `complete`; the reason of
   * `turn.signal` once that is aborted.
   */
  async *stream(endpoint: LlmEndpoint | null, turn: LlmTurn): AsyncGenerator<LlmPart> {
    if (endpoint === null) throw llmNotConfigured();
    try {
      yield* streamStep(endpoint, turn, this.fetchOf(endpoint, TIMEOUT_MS));
    } catch (error) {
      const isSilent = error instanceof LlmSilence;
      throw this.explain(error, endpoint, isSilent ? AbortSignal.abort() : NEVER, turn.signal);
    }
  }

  /**
   * A request for a completion in the endpoint's own words, and its answer as it comes. Errors: as `complete`, also for an
   * answer that is none; the reason of `signal` once that is aborted.
   */
  async forward(endpoint: LlmEndpoint, body: string, signal: AbortSignal): Promise<Response> {
    const authorization = endpoint.apiKey !== null && { authorization: `Bearer ${endpoint.apiKey}` };
    const headers = { 'content-type': 'application/json', ...authorization };
    try {
      const call = this.fetchOf(endpoint, TIMEOUT_MS);
      const response = await call(`${endpoint.baseUrl}/chat/completions`, { method: 'POST', headers, body, signal });
      if (response.ok) return response;
      await response.body?.cancel();
      throw Object.assign(new Error('no completion'), { statusCode: response.status });
    } catch (error) {
      throw this.explain(error, endpoint, NEVER, signal);
    }
  }

  /** What the endpoint offers, by id. Errors: as `complete`. */
  async models(endpoint: Omit<LlmEndpoint, 'model'>): Promise<LlmModel[]> {
    const limit = AbortSignal.timeout(LIST_TIMEOUT_MS);
    const call = this.fetchOf(endpoint, LIST_TIMEOUT_MS);
    const headers = endpoint.apiKey === null ? {} : { authorization: `Bearer ${endpoint.apiKey}` };
    const root = endpoint.baseUrl.replace(/\/v1$/, '');
    let failure: unknown;
    for (const url of new Set([`${root}/v1/models`, `${endpoint.baseUrl}/models`])) {
      try {
        const response = await call(url, { headers, signal: limit });
        if (response.ok) return modelsOf(await response.json());
        failure = Object.assign(new Error('no list of models'), { statusCode: response.status });
      } catch (error) {
        failure = error;
      }
    }
    throw this.explain(failure, endpoint, limit);
  }

  private fetchOf({ isTrusted }: Pick<LlmEndpoint, 'isTrusted'>, timeoutMs: number): Fetch {
    // A redirect would take the key along to an address nobody named.
    if (isTrusted) return (url, init) => fetch(url, { ...init, redirect: 'error' });
    return (url, init) =>
      this.outbound.fetch(url instanceof Request ? url.url : url, {
        method: init?.method ?? 'GET',
        headers: Object.fromEntries(new Headers(init?.headers)),
        body: init?.body as string | undefined,
        signal: init?.signal ?? undefined,
        timeoutMs,
        maxBytes: MAX_ANSWER_BYTES,
      });
  }

  private explain(
    error: unknown,
    endpoint: Omit<LlmEndpoint, 'model'>,
    limit: AbortSignal,
    stopped?: AbortSignal,
  ): unknown {
    if (stopped?.aborted) return stopped.reason;
    const { isTrusted, apiKey } = endpoint;
    const facts = describeFailure(error, apiKey);
    const failure = llmFailure(error, facts, { isTimeout: limit.aborted, isTrusted });
    // What a user's endpoint says is the user's: it may repeat the question.
    const told = isTrusted ? facts : { status: facts.status };
    this.log.warn({ msg: 'a model could not be asked', reason: failure.reason, isTrusted, ...told });
    return failure;
  }
}

function forReasoning({ max_tokens: answer, ...body }: Record<string, unknown>): Record<string, unknown> {
  return { ...body, max_completion_tokens: Number(answer) * THOUGHT_FACTOR, reasoning_effort: 'medium' };
}

/** Of whatever came, what looks like models. */
function modelsOf(answer: unknown): LlmModel[] {
  const list = (answer as { data?: unknown } | null)?.data;
  if (!Array.isArray(list)) throw new Error('not a list of models');
  return (list as unknown[])
    .filter(
      (item): item is { id: string; owned_by?: unknown } => typeof (item as { id?: unknown } | null)?.id === 'string',
    )
    .slice(0, MAX_MODELS)
    .map(({ id, owned_by: owner }) => ({ id, ownedBy: typeof owner === 'string' ? owner : '' }))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}
