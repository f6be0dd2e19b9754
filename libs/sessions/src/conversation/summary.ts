import { excerpt } from './bounded-text.js';
import { errorLines } from './error-lines.js';
import type { Message } from './message.js';
import { installedBy } from './packages.js';
import { canReportTests, readTestOutput } from './test-output.js';
import type { Action } from './tool-actions.js';
import { ToolCallPairing, type ToolCall, type ToolOutcome } from './tool-calls.js';

const MAX_FILES = 500;
const MAX_PACKAGES = 200;
const MAX_ERRORS = 5;
const LAST_MESSAGES = 3;
const LAST_MESSAGE_LENGTH = 200;
const MS_PER_MINUTE = 60_000;

/** What the workspace, not the conversation, knows. */
export interface Workspace {
  readonly branch: string | null;
  readonly commit: string | null;
}

/** The deterministic summary of §7.12 (and of the handoff, §9.7), as far as the conversation tells it. */
export interface ConversationSummary extends Workspace {
  /** Last minus first timestamp, at least 1; 0 without any. */
  readonly durationMinutes: number;
  /** The lines read, bad ones not counted. Lists answer the manifest's count instead. */
  readonly messageCount: number;
  readonly toolCallCount: number;
  readonly filesModified: readonly string[];
  /** Files and folders read or searched that were not modified. */
  readonly filesRead: readonly string[];
  readonly commandsExecuted: number;
  readonly testsRun: number;
  readonly testsPassed: number;
  readonly testsFailed: number;
  readonly packagesInstalled: readonly string[];
  readonly errorsEncountered: readonly string[];
  /** What the agent said last, newest first. */
  readonly lastAssistantMessages: readonly string[];
}

/** A set that stops growing: a hostile session must not decide how much memory its summary takes. */
class BoundedSet {
  private readonly values = new Set<string>();

  constructor(private readonly limit: number) {}

  add(values: readonly string[]): void {
    for (const value of values) if (this.values.size < this.limit) this.values.add(value);
  }

  has(value: string): boolean {
    return this.values.has(value);
  }

  list(): string[] {
    return [...this.values];
  }
}

/** Builds the summary in one pass over the messages, in memory that does not grow with them. */
export class SummaryBuilder {
  private readonly pairing = new ToolCallPairing();
  private readonly modified = new BoundedSet(MAX_FILES);
  private readonly read = new BoundedSet(2 * MAX_FILES);
  private readonly packages = new BoundedSet(MAX_PACKAGES);
  private readonly errors = new BoundedSet(MAX_ERRORS);
  private readonly said: string[] = [];
  private readonly counts = { messages: 0, calls: 0, commands: 0, passed: 0, failed: 0 };
  private firstAt: number | null = null;
  private lastAt: number | null = null;

  feed(message: Message): void {
    for (const call of this.pairing.feed(message, this.counts.messages)) this.count(call);
    this.counts.messages += 1;
    if (message.at !== null) {
      this.firstAt = Math.min(this.firstAt ?? message.at, message.at);
      this.lastAt = Math.max(this.lastAt ?? message.at, message.at);
    }
    if (message.role === 'assistant' && !message.isSidechain) this.remember(message);
  }

  /** The summary of everything fed; the builder is spent. */
  finish(workspace: Workspace): ConversationSummary {
    for (const call of this.pairing.rest()) this.count(call);
    const { messages, calls, commands, passed, failed } = this.counts;
    return {
      ...workspace,
      durationMinutes: this.duration(),
      messageCount: messages,
      toolCallCount: calls,
      filesModified: this.modified.list(),
      filesRead: this.read
        .list()
        .filter((path) => !this.modified.has(path))
        .slice(0, MAX_FILES),
      commandsExecuted: commands,
      testsRun: passed + failed,
      testsPassed: passed,
      testsFailed: failed,
      packagesInstalled: this.packages.list(),
      errorsEncountered: this.errors.list(),
      lastAssistantMessages: this.said.toReversed(),
    };
  }

  private duration(): number {
    if (this.firstAt === null || this.lastAt === null) return 0;
    return Math.max(1, Math.round((this.lastAt - this.firstAt) / MS_PER_MINUTE));
  }

  private count(call: ToolCall): void {
    const { action, outcome } = call;
    this.counts.calls += 1;
    // What was never answered may have happened; what failed did not. A failed shell line may have done half its work.
    if (outcome?.failed !== true || action.kind === 'command') this.modified.add([...action.writes, ...action.deletes]);
    this.read.add(action.reads.filter((path) => path.includes('/')));
    if (action.kind === 'command') this.countCommand(call);
    if (outcome !== null && action.kind !== 'read' && action.kind !== 'search') this.readOutput(action, outcome);
  }

  private countCommand({ action, outcome }: ToolCall): void {
    if (action.command !== '') this.counts.commands += 1;
    if (outcome?.failed === false) this.packages.add(action.segments.flatMap(installedBy));
  }

  private readOutput(action: Action, outcome: ToolOutcome): void {
    const tests = canReportTests(action) ? readTestOutput(outcome.text) : undefined;
    this.counts.passed += tests?.passed ?? 0;
    this.counts.failed += tests?.failed ?? 0;
    this.errors.add(errorLines(outcome.text, MAX_ERRORS));
  }

  private remember(message: Message): void {
    const text = message.blocks.map((block) => (block.type === 'text' ? block.text : '')).join('\n');
    const line = excerpt(text, LAST_MESSAGE_LENGTH);
    if (line === '') return;
    this.said.push(line);
    if (this.said.length > LAST_MESSAGES) this.said.shift();
  }
}
