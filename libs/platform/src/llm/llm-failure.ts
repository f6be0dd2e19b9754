import { DomainError } from '#kernel';

export const LLM_NOT_CONFIGURED = 'llm_not_configured';
export const LLM_REQUEST_FAILED = 'llm_request_failed';
export const LLM_TIMEOUT = 'llm_timeout';

const MAX_DETAIL = 300;

/** What is known of a failed call, fit for a log: no key, no prompt, no answer. */
export interface LlmFailureFacts {
  readonly status: number | null;
  readonly detail: string;
}

export function llmNotConfigured(): DomainError {
  return new DomainError('unavailable', 'No language model is configured', { reason: LLM_NOT_CONFIGURED });
}

/** The SDK's errors carry request, answer and headers, so none of them goes on: their message does, without the key. */
export function describeFailure(error: unknown, apiKey: string | null): LlmFailureFacts {
  const chain = causesOf(error);
  const answered = chain.find((cause) => Number.isInteger((cause as { statusCode?: unknown }).statusCode));
  // What a parser says below these repeats the text it could not read.
  const told = answered ?? chain.find((cause) => cause instanceof DomainError) ?? chain.at(-1);
  const message = told instanceof Error ? told.message : '';
  const bare = apiKey === null ? message : message.replaceAll(apiKey, '***');
  return {
    status: (answered as { statusCode: number } | undefined)?.statusCode ?? null,
    detail: bare.replace(/\s+/g, ' ').slice(0, MAX_DETAIL),
  };
}

/**
 * The failure as callers see it. Only who named the endpoint reads what it said: of the installation's own, strangers
 * learn the status.
 */
export function llmFailure(
  error: unknown,
  { status, detail }: LlmFailureFacts,
  { isTimeout, isTrusted }: { readonly isTimeout: boolean; readonly isTrusted: boolean },
): DomainError {
  const refusal = causesOf(error).find((cause): cause is DomainError => cause instanceof DomainError);
  if (refusal?.code === 'invalid_input') return refusal;
  if (isTimeout || refusal?.code === 'timeout')
    return new DomainError('timeout', 'The language model did not answer in time', { reason: LLM_TIMEOUT });
  const what = status === null ? 'could not be asked' : `answered with status ${status}`;
  const message = `The language model ${what}${isTrusted || detail === '' ? '' : `: ${detail}`}`;
  return new DomainError('upstream_failed', message, {
    reason: LLM_REQUEST_FAILED,
    ...(status !== null && { details: { llm_status: status } }),
  });
}

/** An error and what it wraps, outermost first: the SDK keeps the last of several tries under a name of its own. */
function causesOf(error: unknown): object[] {
  const chain: object[] = [];
  let next: unknown = error;
  while (typeof next === 'object' && next !== null && chain.length < 10) {
    chain.push(next);
    const { lastError, cause } = next as { lastError?: unknown; cause?: unknown };
    next = lastError ?? cause;
  }
  return chain;
}
