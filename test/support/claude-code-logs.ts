import { randomUUID } from 'node:crypto';

/** A log as Claude Code writes it: one JSON object per line, answers a block per line, more kinds than one reads. */
export class ClaudeCodeLog {
  private readonly lines: string[] = [];
  private parent: string | null = null;
  private minute = 0;

  constructor(
    readonly sessionId = randomUUID(),
    private readonly facts: Record<string, unknown> = {},
  ) {}

  raw(line: string): this {
    this.lines.push(line);
    return this;
  }

  line(type: string, more: Record<string, unknown>): this {
    const uuid = randomUUID();
    const at = new Date(Date.UTC(2026, 6, 2, 8, (this.minute += 1))).toISOString();
    const { parent, sessionId, facts } = this;
    const common = { isSidechain: false, userType: 'external', cwd: '/srv/lex', version: '2.0.14', gitBranch: 'tabs' };
    const line = { parentUuid: parent, ...common, sessionId, type, uuid, timestamp: at, ...facts, ...more };
    this.parent = line.uuid;
    return this.raw(JSON.stringify(line));
  }

  user(content: unknown, more: Record<string, unknown> = {}): this {
    return this.line('user', { message: { role: 'user', content }, ...more });
  }

  toolResult(id: string, content: unknown, isError = false): this {
    const block = { tool_use_id: id, type: 'tool_result', content, is_error: isError };
    return this.user([block], { toolUseResult: { stdout: content, interrupted: false } });
  }

  /** One answer of the model: a line for each block, all naming the answer and what it has cost so far. */
  assistant(blocks: readonly object[], answer = `msg_${randomUUID()}`, model = 'claude-demo-5'): this {
    for (const [index, block] of blocks.entries()) {
      const usage = {
        input_tokens: 10,
        cache_creation_input_tokens: 300,
        cache_read_input_tokens: 2_000,
        output_tokens: index === blocks.length - 1 ? 70 : 1,
        service_tier: 'standard',
      };
      const message = { id: answer, type: 'message', role: 'assistant', model, content: [block], usage };
      this.line('assistant', { requestId: 'req_1', message: { ...message, stop_reason: null, stop_sequence: null } });
    }
    return this;
  }

  get lastUuid(): string {
    return this.parent ?? '';
  }

  get text(): string {
    return this.lines.map((line) => `${line}\n`).join('');
  }
}
