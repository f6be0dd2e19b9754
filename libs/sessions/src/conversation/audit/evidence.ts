import { ends, excerpt, head, tail } from '../bounded-text.js';
import { errorLines } from '../error-lines.js';
import type { JsonValue } from '../json.js';
import type { Message } from '../message.js';
import { installedBy } from '../packages.js';
import { FOR_STRANGERS } from '../secrets/pattern-set.js';
import { redactText } from '../secrets/redact.js';
import { canReportTests, readTestOutput, type TestCounts } from '../test-output.js';
import { ToolCallPairing, type ToolCall } from '../tool-calls.js';
import { actionRoles, type Role } from './programs.js';

/** Every claim is held against all of them; older ones are forgotten, and then nothing is false by absence. */
const MAX_FACTS = 5000;
const MAX_TOKENS = 300_000;
const RECENT = 30;
const RECENT_TEXT = 32_000;
const MAX_TOKEN_TEXT = 200_000;
const EXCERPT = 400;

/** One call, reduced to what claims are held against. */
export interface Fact {
  readonly index: number;
  readonly resultIndex: number | null;
  readonly tool: string;
  /** The shell line, one simple command per item. */
  readonly commands: readonly string[];
  readonly roles: ReadonlySet<Role>;
  readonly writes: readonly string[];
  readonly deletes: readonly string[];
  readonly packages: readonly string[];
  readonly failed: boolean;
  /** No result came, or it ran in the background: how it ended is unknown. */
  readonly unanswered: boolean;
  readonly tests: TestCounts | undefined;
  readonly errors: readonly string[];
  /** The end of the output, for the report. */
  readonly excerpt: string;
}

export interface RecentResult {
  readonly fact: Fact;
  readonly text: string;
}

const WORD = /[A-Za-z_$][\w$]{2,79}/g;
const FILE_NAME = /[\w$-][\w$.-]{0,99}\.[A-Za-z]\w{0,9}/g;
const ABSENCE =
  /no such file|cannot access|can't open|cannot open|does(?: not|n't) exist|enoent|not found|cannot find|cannot stat/i;
const BACKGROUND = /running in (?:the )?background|background with id|still running/i;
const USER_REPORTS =
  /\bi(?:'ve| have)? (?:already |just |also )?(?:ran|run|re-?ran|created|added|wrote|installed|committed|pushed|pulled|merged|fixed|updated|deleted|removed)\b|\b(?:pass(?:es|ed)?|works?|green|fine|builds?) (?:now|here|locally|for me|on my)|here(?:'s| is) (?:the|my) (?:output|log|result)|\bci (?:is|was|went|passed|says)/i;
const CONTINUED =
  /continued from a previous conversation|conversation (?:is|was) (?:summari[sz]ed|compacted)|previous session/i;

/** Everything the tools said so far, over one pass, bounded. Claims are judged against it where they are made. */
export class Evidence {
  readonly facts: Fact[] = [];
  readonly recent: RecentResult[] = [];
  /** Files the tools said are not there, by base name, with the message that said so. */
  readonly missing = new Map<string, number>();
  private readonly pairing = new ToolCallPairing();
  private readonly words = new Set<string>();
  private readonly fileNames = new Set<string>();
  private lastUserReport = -Infinity;
  private hasOldContext = false;
  private calls = 0;

  get toolCalls(): number {
    return this.calls;
  }

  /** Whether everything the agent did is in view, so that what is not there did not happen. */
  get isComplete(): boolean {
    return this.calls > 0 && !this.hasOldContext && this.facts.length < MAX_FACTS && this.words.size < MAX_TOKENS;
  }

  feed(message: Message, index: number): void {
    for (const block of message.blocks) {
      if (block.type === 'summary') this.hasOldContext = true;
      if (block.type === 'text' && message.role === 'user') this.readUser(block.text, index);
      if (block.type === 'tool_use') {
        this.calls += 1;
        this.readWords(textsOf(block.input));
      }
    }
    for (const call of this.pairing.feed(message, index)) this.add(call);
  }

  /** Takes the calls that were never answered as begun. */
  finish(): void {
    for (const call of this.pairing.rest()) this.add(call);
  }

  private readUser(text: string, index: number): void {
    const start = head(text, 8000);
    if (USER_REPORTS.test(start)) this.lastUserReport = index;
    if (CONTINUED.test(start)) this.hasOldContext = true;
  }

  private add({ index, action, outcome }: ToolCall): void {
    const text = outcome?.text ?? '';
    const fact: Fact = {
      index,
      resultIndex: outcome?.index ?? null,
      tool: action.tool,
      commands: action.segments.slice(0, 30).map(({ words }) => head(words.join(' '), 300)),
      roles: actionRoles(action),
      writes: action.writes.slice(0, 50),
      deletes: action.deletes.slice(0, 50),
      packages: action.segments.flatMap(installedBy).slice(0, 50),
      failed:
        outcome?.failed === true &&
        !isHarmlessFailure(
          action.segments.map(({ words }) => words[0] ?? ''),
          text,
        ),
      unanswered: outcome === null || BACKGROUND.test(text.slice(0, 500)),
      tests: outcome !== null && canReportTests(action) ? readTestOutput(text) : undefined,
      errors: action.kind === 'read' || action.kind === 'search' ? [] : errorLines(text, 3),
      excerpt: endOf(text),
    };
    this.facts.push(fact);
    if (this.facts.length > MAX_FACTS) this.facts.shift();
    this.recent.push({ fact, text: ends(text, RECENT_TEXT) });
    if (this.recent.length > RECENT) this.recent.shift();
    this.readWords(text);
    this.readFileNames(fact, text);
  }

  private readWords(text: string): void {
    for (const [word] of ends(text, MAX_TOKEN_TEXT).matchAll(WORD))
      if (this.words.size < MAX_TOKENS) this.words.add(word);
  }

  private readFileNames(fact: Fact, text: string): void {
    const commands = fact.roles.has('view') && fact.roles.size === 1 ? [] : fact.commands;
    const lines = [...commands, ...ends(text, MAX_TOKEN_TEXT).split('\n')];
    for (const line of lines) {
      const isMissing = ABSENCE.test(line);
      for (const [name] of line.matchAll(FILE_NAME)) {
        if (isMissing) this.missing.set(name, fact.resultIndex ?? fact.index);
        else if (this.fileNames.size < MAX_TOKENS) this.fileNames.add(name);
      }
    }
  }

  /** Whether any tool's input or output holds this identifier. */
  hasWord(word: string): boolean {
    return this.words.has(word);
  }

  /** Whether a command or an output, apart from complaints of its absence, names this file. */
  namesFile(baseName: string): boolean {
    return this.fileNames.has(baseName);
  }

  userReportedNear(index: number): boolean {
    return index - this.lastUserReport <= 10;
  }

  /** The facts with a role, oldest first. */
  having(role: Role): Fact[] {
    return this.facts.filter(({ roles }) => roles.has(role));
  }

  /** Whether something ran that may have done what no call shows. */
  hasOpaque(): boolean {
    return this.facts.some(({ roles }) => roles.has('opaque'));
  }
}

/** `grep` and `diff` exit with 1 to say no; that is an answer, not a failure. */
function isHarmlessFailure(programs: readonly string[], text: string): boolean {
  const last = programs.at(-1)?.split('/').at(-1) ?? '';
  return (
    /^(grep|rg|egrep|diff|test|\[|which|cmp|pgrep|find|ls)$/.test(last) && text.length < 200 && !/error/i.test(text)
  );
}

/** The end of an output, redacted before it is cut, so that no half of a secret is left. */
function endOf(text: string): string {
  return excerpt(redactText(tail(text, 10 * EXCERPT), FOR_STRANGERS).text.slice(-EXCERPT), EXCERPT);
}

function textsOf(input: JsonValue): string {
  const found: string[] = [];
  const waiting: JsonValue[] = [input];
  for (let value = waiting.pop(); value !== undefined && found.length < 500; value = waiting.pop()) {
    if (typeof value === 'string') found.push(head(value, MAX_TOKEN_TEXT));
    else if (typeof value === 'object' && value !== null)
      waiting.push(...(Object.values(value).slice(0, 500) as JsonValue[]));
  }
  return found.join('\n');
}
