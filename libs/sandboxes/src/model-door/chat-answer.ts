import type { TokenUsage } from '../agent/agent-event.js';

/** Of one answer: far more than a model says at once. */
const MAX_BYTES = 16_777_216;
/** Of an answer that comes in whole, or of one line: it is parsed on the main thread. */
const MAX_PARSED = 1_048_576;
const BYTES_PER_TOKEN = 4;
const BROKEN = { error: { message: 'The language model broke off', type: 'server_error', code: 'llm_request_failed' } };

/** An endpoint's answer on its way into a sandbox: it is counted, and what it says of errors stays outside. */
export class ChatAnswer {
  private told: TokenUsage | null = null;
  private bytes = 0;

  constructor(
    private readonly response: Response,
    private readonly wantsUsage: boolean,
  ) {}

  /** As the endpoint counts; guessed for an answer that does not say, or that was left early. */
  usage(request: string): TokenUsage {
    return this.told ?? guessUsage(request, this.bytes);
  }

  /** Null when it is no completion. */
  async whole(): Promise<string | null> {
    const parts: Uint8Array[] = [];
    for await (const part of this.parts()) {
      if (this.bytes > MAX_PARSED) return null;
      parts.push(part);
    }
    const text = Buffer.concat(parts).toString();
    const answer = parsed(text);
    if (!answer || !Array.isArray(answer['choices'])) return null;
    this.count(answer);
    return text;
  }

  /** Frames of server-sent events, until the one that says so or the first that cannot go on. */
  async *stream(): AsyncGenerator<string> {
    const decoder = new TextDecoder();
    let rest = '';
    for await (const part of this.parts()) {
      const lines = (rest + decoder.decode(part, { stream: true })).split('\n');
      rest = lines.pop()!;
      if (this.bytes > MAX_BYTES || rest.length > MAX_PARSED) break;
      for (const line of lines) {
        const frame = this.frameOf(line);
        if (frame !== null) yield frame;
        if (frame === LAST || frame === FAILED) return;
      }
    }
    yield FAILED;
  }

  private async *parts(): AsyncGenerator<Uint8Array> {
    for await (const part of (this.response.body ?? []) as AsyncIterable<Uint8Array>) {
      this.bytes += part.byteLength;
      yield part;
    }
  }

  private frameOf(line: string): string | null {
    if (!line.startsWith('data:')) return null;
    const data = line.slice('data:'.length).trim();
    if (data === '[DONE]') return LAST;
    const chunk = parsed(data);
    if (!chunk || !Array.isArray(chunk['choices'])) return FAILED;
    this.count(chunk);
    const isOnlyUsage = chunk['choices'].length === 0;
    return isOnlyUsage && !this.wantsUsage ? null : `data: ${data}\n\n`;
  }

  private count({ usage }: Readonly<Record<string, unknown>>): void {
    const { prompt_tokens: input, completion_tokens: output } = (usage ?? {}) as Record<string, unknown>;
    if (!isCount(input) || !isCount(output)) return;
    this.told = { inputTokens: input, outputTokens: output };
  }
}

/** Rather too much than too little. */
export function guessUsage(request: string, answerBytes: number): TokenUsage {
  const tokens = (bytes: number): number => Math.ceil(bytes / BYTES_PER_TOKEN);
  return { inputTokens: tokens(Buffer.byteLength(request)), outputTokens: tokens(answerBytes) };
}

const LAST = 'data: [DONE]\n\n';
const FAILED = `data: ${JSON.stringify(BROKEN)}\n\n`;

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function parsed(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
