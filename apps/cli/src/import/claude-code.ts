import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type ArchivedMessage, messageOf, summaryOf, text } from './claude-code-messages.js';
import { remoteOf } from './git-remote.js';
import { type Json, readLines } from './lines.js';
import type { Member } from './archive-file.js';

export interface ConvertedSession {
  readonly id: string;
  readonly members: readonly Member[];
  readonly messages: number;
  readonly badLines: number;
}

/** Changes whenever a conversation would be written otherwise than before. */
const CONVERTER = 'roundhouse-1';
const MOST_SUMMARIES = 1_000;

/** What is known of a conversation once it was read; the messages themselves are on disk. */
class Facts {
  readonly seen = new Set<string>();
  readonly summaries: { text: string; leaf: string | null }[] = [];
  readonly agents = new Map<string, number>();
  readonly tools = new Set<string>();
  first: string | null = null;
  last: string | null = null;
  cwd: string | null = null;
  branch: string | null = null;
  version: string | null = null;
  sessionId: string | null = null;
  title: string | null = null;
  model: string | null = null;
  badLines = 0;
  turns = 0;
  toolUses = 0;
  inputTokens = 0;
  outputTokens = 0;

  /** What every line may say, message or not. */
  note(line: Json): void {
    this.sessionId ??= text(line['sessionId']);
    this.cwd ??= text(line['cwd']);
    this.version = text(line['version']) ?? this.version;
    this.branch = text(line['gitBranch']) ?? this.branch;
    this.title = text(line['customTitle']) ?? this.title;
    const summary = summaryOf(line);
    if (summary && this.summaries.length < MOST_SUMMARIES) this.summaries.push(summary);
  }

  count(message: ArchivedMessage): void {
    if (this.first === null || message.timestamp < this.first) this.first = message.timestamp;
    if (this.last === null || message.timestamp > this.last) this.last = message.timestamp;
    const isMain = message.is_sidechain !== true;
    if (isMain) this.model = message.model ?? this.model;
    if (isMain && message.role === 'user' && message.is_meta !== true) this.turns += 1;
    if (message.agent_id) this.agents.set(message.agent_id, (this.agents.get(message.agent_id) ?? 0) + 1);
    this.countTools(message.content as readonly Json[]);
    if (!message.usage) return;
    this.inputTokens += message.usage.input_tokens;
    this.outputTokens += message.usage.output_tokens;
  }

  private countTools(content: readonly Json[]): void {
    for (const block of content) {
      if (block['type'] !== 'tool_use') continue;
      this.toolUses += 1;
      this.tools.add(block['name'] as string);
    }
  }

  /** Those of this conversation: a log may begin with the summaries of others. */
  get ownSummaries(): readonly { text: string; leaf: string | null }[] {
    return this.summaries.filter(({ leaf }) => leaf !== null && this.seen.has(leaf));
  }
}

/**
 * Reads a log of Claude Code and writes its messages, those of sub-agents after them, as `messages.jsonl` into `folder`.
 * Holds one message in memory. The id is made of the session's own, so that the next import finds the same session. Null
 * when there is no message in it.
 */
export async function convertClaudeCode(
  path: string,
  sidechains: readonly string[],
  folder: string,
): Promise<ConvertedSession | null> {
  const facts = new Facts();
  const target = join(folder, 'messages.jsonl');
  const file = await open(target, 'w');
  try {
    for (const [index, source] of [path, ...sidechains].entries()) {
      for await (const message of messagesOf(source, index > 0, facts)) {
        facts.count(message);
        await file.write(`${JSON.stringify(message)}\n`);
      }
    }
    for (const message of summaryMessages(facts)) await file.write(`${JSON.stringify(message)}\n`);
  } finally {
    await file.close();
  }
  if (facts.seen.size === 0) return null;
  const original = facts.sessionId ?? basename(path, '.jsonl');
  const id = `ses_${createHash('sha256').update(`claude-code:${original}`).digest('hex').slice(0, 32)}`;
  const git = facts.branch === null ? null : { remote_url: await remoteOf(facts.cwd), branch: facts.branch };
  const members: Member[] = [
    { name: 'manifest.json', content: json(manifestOf(id, original, path, facts)) },
    { name: 'messages.jsonl', path: target },
    { name: 'tools.json', content: json({ tools_used: [...facts.tools].sort() }) },
    ...(facts.cwd === null ? [] : [{ name: 'workspace.json', content: json({ root_path: facts.cwd, git }) }]),
  ];
  return { id, members, messages: facts.seen.size, badLines: facts.badLines };
}

/**
 * The messages of one log in order. An answer is written in several lines, a block each, which all name what the whole
 * answer cost: only the last of them keeps it.
 */
async function* messagesOf(path: string, isSidechain: boolean, facts: Facts): AsyncGenerator<ArchivedMessage> {
  let held: { message: ArchivedMessage; answer: string | null } | null = null;
  for await (const { value } of readLines(path)) {
    if (value === null) {
      facts.badLines += 1;
      continue;
    }
    facts.note(value);
    const message = messageOf(value, isSidechain);
    // A resumed conversation repeats what it resumes.
    if (message === null || facts.seen.has(message.msg_id)) continue;
    facts.seen.add(message.msg_id);
    const answer = text((value['message'] as Json | undefined)?.['id']);
    if (held) {
      if (answer !== null && answer === held.answer) delete held.message.usage;
      yield held.message;
    }
    held = { message, answer };
  }
  if (held) yield held.message;
}

function summaryMessages(facts: Facts): ArchivedMessage[] {
  return facts.ownSummaries.map(({ text: words, leaf }, index) => ({
    msg_id: `summary-${index + 1}`,
    parent_msg_id: null,
    role: 'system',
    content: [{ type: 'summary', text: words, summarized_through_msg_id: leaf }],
    timestamp: facts.last ?? new Date(0).toISOString(),
    is_meta: true,
  }));
}

function manifestOf(id: string, original: string, path: string, facts: Facts): object {
  const { first, last, model } = facts;
  const duration = first !== null && last !== null ? Date.parse(last) - Date.parse(first) : 0;
  return {
    sfs_version: '0.1.0',
    session_id: id,
    title: facts.title ?? facts.ownSummaries.at(-1)?.text ?? null,
    tags: [],
    created_at: first,
    updated_at: last,
    source: {
      tool: 'claude-code',
      tool_version: facts.version,
      sfs_converter_version: CONVERTER,
      original_session_id: original,
      original_path: path,
      interface: 'cli',
    },
    model: model === null ? null : { provider: 'anthropic', model_id: model, reasoning_effort: null },
    stats: {
      message_count: facts.seen.size,
      turn_count: facts.turns,
      tool_use_count: facts.toolUses,
      total_input_tokens: facts.inputTokens,
      total_output_tokens: facts.outputTokens,
      duration_ms: duration,
    },
    sub_agents: [...facts.agents].map(([agent, count]) => ({ agent_id: agent, model: null, message_count: count })),
  };
}

const json = (value: object): string => `${JSON.stringify(value)}\n`;
