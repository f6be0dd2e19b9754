import type { JSONSchema7, ModelMessage, TextStreamPart, ToolSet } from 'ai';
import { isReasoningModel, type LlmEndpoint } from './llm-endpoint.js';

/** A message of a conversation, as the SDK has it. Plain data: it can be stored as JSON. */
export type LlmMessage = ModelMessage;

/** A function that the model may ask for; who runs it is the caller's business. */
export interface LlmTool {
  readonly name: string;
  readonly description?: string;
  /** JSON schema of its input. */
  readonly parameters?: Readonly<Record<string, unknown>>;
}

export interface LlmTurn {
  readonly instructions: string;
  readonly messages: readonly LlmMessage[];
  readonly tools: readonly LlmTool[];
  /** How much a reasoning model thinks; its own choice when left out. */
  readonly effort?: 'minimal' | 'low' | 'medium' | 'high';
  /** Ends the call; the iteration throws its reason. */
  readonly signal: AbortSignal;
}

/** What a model says, piece by piece; `finish` is the last. */
export type LlmPart =
  | { readonly type: 'text-start' | 'thinking-start'; readonly id: string }
  | { readonly type: 'text-end' | 'thinking-end'; readonly id: string }
  | { readonly type: 'text-delta' | 'thinking-delta'; readonly id: string; readonly text: string }
  | { readonly type: 'tool-start'; readonly id: string; readonly name: string }
  /** A part of the input's JSON text. */
  | { readonly type: 'tool-input-delta'; readonly id: string; readonly text: string }
  | {
      readonly type: 'tool-call';
      readonly id: string;
      readonly name: string;
      readonly input: unknown;
      /** Whether the tool exists and the input is JSON. */
      readonly isValid: boolean;
    }
  | { readonly type: 'finish'; readonly inputTokens: number; readonly outputTokens: number };

/** A model that says nothing for so long has stopped. */
const SILENCE_MS = 120_000;

/** One call of the model. Throws the SDK's errors, and `signal`'s reason once that is aborted. */
export async function* streamStep(
  endpoint: LlmEndpoint,
  turn: LlmTurn,
  fetch: typeof globalThis.fetch,
): AsyncGenerator<LlmPart> {
  // The SDK is large: who asks no model does without it.
  const [{ jsonSchema, streamText, tool }, { createOpenAICompatible }] = await Promise.all([
    import('ai'),
    import('@ai-sdk/openai-compatible'),
  ]);
  const provider = createOpenAICompatible({
    name: 'llm',
    baseURL: endpoint.baseUrl,
    fetch,
    includeUsage: true,
    ...(endpoint.apiKey !== null && { apiKey: endpoint.apiKey }),
  });
  const tools: ToolSet = Object.fromEntries(
    turn.tools.map(({ name, description, parameters }) => [
      name,
      tool({
        ...(description !== undefined && { description }),
        inputSchema: jsonSchema((parameters ?? { type: 'object', properties: {} }) as JSONSchema7),
      }),
    ]),
  );
  const { stream } = streamText({
    model: provider(endpoint.model),
    ...(turn.instructions !== '' && { instructions: turn.instructions }),
    messages: [...turn.messages],
    tools,
    ...(turn.effort &&
      isReasoningModel(endpoint.model) && { providerOptions: { llm: { reasoningEffort: turn.effort } } }),
    abortSignal: turn.signal,
    timeout: { firstChunkMs: SILENCE_MS, chunkMs: SILENCE_MS },
    telemetry: { isEnabled: false },
    // Without one the SDK prints errors, answers of the endpoint included.
    onError: () => undefined,
  });
  for await (const part of stream) {
    if (part.type === 'error') throw part.error;
    if (part.type === 'abort') throw turn.signal.aborted ? turn.signal.reason : new LlmSilence();
    const told = toPart(part);
    if (told) yield told;
  }
}

/** The model stopped talking in the middle of its answer, or never began. */
export class LlmSilence extends Error {}

function toPart(part: TextStreamPart<ToolSet>): LlmPart | null {
  switch (part.type) {
    case 'text-start':
      return { type: 'text-start', id: part.id };
    case 'text-end':
      return { type: 'text-end', id: part.id };
    case 'text-delta':
      return { type: 'text-delta', id: part.id, text: part.text };
    case 'reasoning-start':
      return { type: 'thinking-start', id: part.id };
    case 'reasoning-end':
      return { type: 'thinking-end', id: part.id };
    case 'reasoning-delta':
      return { type: 'thinking-delta', id: part.id, text: part.text };
    case 'tool-input-start':
      return { type: 'tool-start', id: part.id, name: part.toolName };
    case 'tool-input-delta':
      return { type: 'tool-input-delta', id: part.id, text: part.delta };
    case 'tool-call': {
      const { toolCallId: id, toolName: name, input } = part;
      return { type: 'tool-call', id, name, input, isValid: !(part as { invalid?: boolean }).invalid };
    }
    case 'finish': {
      const { inputTokens, outputTokens } = part.totalUsage;
      return { type: 'finish', inputTokens: inputTokens ?? 0, outputTokens: outputTokens ?? 0 };
    }
    default:
      return null;
  }
}
