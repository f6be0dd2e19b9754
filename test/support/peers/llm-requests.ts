/** A chat request that was let in. */
export interface ChatRequest {
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  readonly stream?: boolean;
  readonly stream_options?: { readonly include_usage?: boolean };
  readonly tools?: readonly { readonly function: { readonly name: string } }[];
  readonly temperature?: number;
  readonly max_tokens?: number;
  readonly max_completion_tokens?: number;
}

export interface ChatMessage {
  readonly role: string;
  readonly content: string | readonly { readonly type: string; readonly text?: string }[] | null;
  readonly tool_calls?: readonly { readonly id: string }[];
  readonly tool_call_id?: string;
}

/** An answer that is an error, in the service's envelope. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
    private readonly code: string | null = null,
    private readonly param: string | null = null,
  ) {
    super(message);
  }

  get body(): object {
    const type = this.status >= 500 ? 'server_error' : this.status === 429 ? 'requests' : 'invalid_request_error';
    return { error: { message: this.message, type, param: this.param, code: this.code } };
  }
}

type Fields = Readonly<Record<string, 'string' | 'number' | 'boolean' | 'array' | 'object' | 'any'>>;

const CHAT: Fields = {
  model: 'string',
  messages: 'array',
  stream: 'boolean',
  stream_options: 'object',
  tools: 'array',
  tool_choice: 'any',
  parallel_tool_calls: 'boolean',
  temperature: 'number',
  top_p: 'number',
  max_tokens: 'number',
  max_completion_tokens: 'number',
  reasoning_effort: 'string',
  response_format: 'object',
  stop: 'any',
  seed: 'number',
  user: 'string',
  n: 'number',
  presence_penalty: 'number',
  frequency_penalty: 'number',
};
const MESSAGE: Fields = {
  role: 'string',
  content: 'any',
  name: 'string',
  tool_calls: 'array',
  tool_call_id: 'string',
  refusal: 'any',
};
const TOOL: Fields = { type: 'string', function: 'object' };
const TOOL_FUNCTION: Fields = { name: 'string', description: 'string', parameters: 'object', strict: 'boolean' };
const ROLES = ['system', 'developer', 'user', 'assistant', 'tool'];
const REASONING = /^(o\d|gpt-5)/;

/** The request in `body`, if the service would let it in. */
export function checkChat(body: string, contentType: string | undefined, models: readonly string[]): ChatRequest {
  if (contentType?.split(';')[0] !== 'application/json') {
    throw new Refusal(415, `Unsupported Content-Type: ${contentType}. Use 'application/json'.`);
  }
  const chat = parsed(body);
  checkFields(chat, CHAT, '');
  const { model, messages } = chat as unknown as ChatRequest;
  if (model === undefined) throw new Refusal(400, 'you must provide a model parameter');
  if (!models.includes(model)) {
    throw new Refusal(404, `The model \`${model}\` does not exist or you do not have access to it.`, 'model_not_found');
  }
  if (messages === undefined) throw missing('messages');
  if (messages.length === 0) throw invalid('[] is too short', 'messages');
  checkMessages(messages);
  checkTools(chat['tools'] as unknown[] | undefined);
  checkNumbers(chat as unknown as ChatRequest);
  return chat as unknown as ChatRequest;
}

function parsed(body: string): Record<string, unknown> {
  try {
    const value = JSON.parse(body) as unknown;
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new Refusal(400, 'We could not parse the JSON body of your request.');
}

function checkFields(value: unknown, fields: Fields, at: string): void {
  if (typeof value !== 'object' || value === null) throw invalid('expected an object', at);
  for (const [name, member] of Object.entries(value)) {
    const type = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (type === undefined) throw new Refusal(400, `Unrecognized request argument supplied: ${at}${name}`);
    const found = Array.isArray(member) ? 'array' : typeof member;
    if (type !== 'any' && found !== type) throw invalid(`expected a ${type}, but got a ${found} instead`, at + name);
  }
}

function checkMessages(messages: readonly ChatMessage[]): void {
  const open = new Set<string>();
  messages.forEach((message, index) => {
    const at = `messages[${index}].`;
    checkFields(message, MESSAGE, at);
    if (!ROLES.includes(message.role))
      throw invalid(`'${message.role}' is not one of ${ROLES.join(', ')}`, `${at}role`);
    const mayBeEmpty = message.role === 'assistant' && message.tool_calls !== undefined;
    if ((message.content ?? null) === null && !mayBeEmpty) throw invalid('expected a string, got null', `${at}content`);
    if (message.role !== 'tool' && open.size > 0) throw invalid('tool_call_ids did not have response messages', at);
    if (message.role === 'tool' && !open.delete(message.tool_call_id ?? '')) {
      throw invalid(
        "messages with role 'tool' must be a response to a preceding message with 'tool_calls'",
        `${at}role`,
      );
    }
    for (const { id } of message.tool_calls ?? []) open.add(id);
  });
}

function checkTools(tools: readonly unknown[] | undefined): void {
  tools?.forEach((tool, index) => {
    const at = `tools[${index}].`;
    checkFields(tool, TOOL, at);
    const { type, function: called } = tool as { type?: string; function?: { name?: string } };
    if (type !== 'function') throw invalid(`'${type}' is not 'function'`, `${at}type`);
    checkFields(called, TOOL_FUNCTION, `${at}function.`);
    if (!/^[\w-]{1,64}$/.test(called?.name ?? '')) throw invalid('does not match the pattern', `${at}function.name`);
  });
}

function checkNumbers({ model, temperature, max_tokens: maxTokens }: ChatRequest): void {
  if (temperature !== undefined && (temperature < 0 || temperature > 2)) throw invalid('out of range', 'temperature');
  if (!REASONING.test(model)) return;
  if (maxTokens !== undefined) throw unsupported('max_tokens', "Use 'max_completion_tokens' instead.");
  if (temperature !== undefined && temperature !== 1)
    throw unsupported('temperature', 'Only the default is supported.');
}

const invalid = (what: string, param: string): Refusal =>
  new Refusal(400, `Invalid value for '${param}': ${what}.`, 'invalid_value', param);
const missing = (param: string): Refusal =>
  new Refusal(400, `Missing required parameter: '${param}'.`, 'missing_required_parameter', param);
const unsupported = (param: string, hint: string): Refusal =>
  new Refusal(
    400,
    `Unsupported parameter: '${param}' is not supported with this model. ${hint}`,
    'unsupported_parameter',
    param,
  );
