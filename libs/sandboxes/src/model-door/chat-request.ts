import { DomainError } from '#kernel';

/** A request for a completion that may go on to the endpoint. */
export interface ChatRequest {
  readonly body: Readonly<Record<string, unknown>>;
  readonly isStream: boolean;
  /** Whether the sender reads the tokens at the end of a stream; they are asked for in any case. */
  readonly wantsUsage: boolean;
}

/** What changes neither where the request goes nor what it costs beyond its tokens. */
const MEMBERS = new Set([
  'model',
  'messages',
  'stream',
  'stream_options',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'temperature',
  'top_p',
  'max_tokens',
  'max_completion_tokens',
  'reasoning_effort',
  'response_format',
  'stop',
  'seed',
  'presence_penalty',
  'frequency_penalty',
]);

type Json = Readonly<Record<string, unknown>>;

/**
 * The request in `text`, for the turn's model and the tokens it has left. Errors: `bad_request`, `not_found` for another
 * model.
 */
export function toChatRequest(
  text: string,
  { model, tokensLeft }: { readonly model: string; readonly tokensLeft: number },
): ChatRequest {
  const given = parsed(text);
  const unknown = Object.keys(given).find((name) => !MEMBERS.has(name));
  if (unknown !== undefined) throw refused(unknown.slice(0, 100).toWellFormed(), 'is not taken here');
  if (given['model'] !== undefined && given['model'] !== model)
    throw new DomainError('not_found', `This turn's model is ${model}`, { reason: 'model_not_found', field: 'model' });
  assertMessages(given['messages']);
  assertTools(given['tools']);
  const { stream = false, stream_options: options = {} } = given;
  if (typeof stream !== 'boolean') throw refused('stream', 'must be true or false');
  if (!isJson(options)) throw refused('stream_options', 'must be an object');
  const limits = ['max_tokens', 'max_completion_tokens'].flatMap((name) => limitIn(given, name, tokensLeft));
  return {
    body: {
      ...given,
      ...Object.fromEntries(limits),
      model,
      stream,
      stream_options: stream ? { include_usage: true } : undefined,
    },
    isStream: stream,
    wantsUsage: options['include_usage'] === true,
  };
}

function parsed(text: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = null;
  }
  if (isJson(value)) return value;
  throw new DomainError('bad_request', 'The body must be a JSON object');
}

/** The endpoint fetches what a message names: nothing that a sandbox says may go to an address it chose. */
function assertMessages(messages: unknown): void {
  if (!Array.isArray(messages)) throw refused('messages', 'must be a list');
  for (const message of messages as unknown[]) {
    if (!isJson(message)) throw refused('messages', 'must be a list of objects');
    const { content } = message;
    for (const part of (Array.isArray(content) ? content : []) as unknown[])
      if (!isJson(part) || !isHarmless(part)) throw refused('messages', 'may have parts of text and data: images only');
  }
}

/** Tools of the sender's own; those that the endpoint runs reach the network. */
function assertTools(tools: unknown): void {
  if (tools === undefined) return;
  if (!Array.isArray(tools) || !(tools as unknown[]).every((tool) => isJson(tool) && tool['type'] === 'function'))
    throw refused('tools', 'must be a list of functions');
}

function isHarmless({ type, image_url: image }: Json): boolean {
  if (type === 'text' || type === 'refusal') return true;
  return type === 'image_url' && isJson(image) && typeof image['url'] === 'string' && image['url'].startsWith('data:');
}

function limitIn(given: Json, name: string, tokensLeft: number): [string, number][] {
  const limit = given[name];
  if (limit === undefined || limit === null) return [];
  if (!Number.isSafeInteger(limit) || (limit as number) < 1) throw refused(name, 'must be a whole number');
  return [[name, Math.min(limit as number, tokensLeft)]];
}

function refused(field: string, rule: string): DomainError {
  return new DomainError('bad_request', `${field} ${rule}`, { field });
}

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
