import { DomainError } from '#kernel';
import { compileCustomPattern, type CustomPattern } from '../conversation/secrets/custom-pattern.js';
import type { Category, Finding } from '../conversation/secrets/pattern.js';
import { type PatternSet, patternSet } from '../conversation/secrets/pattern-set.js';
import { redactText } from '../conversation/secrets/redact.js';
import type { Screen } from '../conversation/secrets/stream/text-stream.js';
import { screenFor, withHead } from './member-screen.js';

export type DlpMode = 'warn' | 'redact' | 'block';

/** What an organisation wants looked for in what its members store. Plain data: it crosses into the worker. */
export interface DlpRules {
  readonly mode: DlpMode;
  readonly categories: readonly Category[];
  readonly customPatterns: readonly CustomPattern[];
  readonly allowlist: readonly string[];
}

/** What was found in an archive; never the text itself. */
export interface DlpOutcome {
  readonly count: number;
  /** Names of the patterns that matched, in the order of their first match. */
  readonly types: readonly string[];
}

/** A finding as a blocked caller is told of it (sessionfs-1.md §2.6), with the member it is in. */
interface ReportedFinding {
  readonly file: string;
  readonly pattern: string;
  readonly category: string;
  readonly severity: string;
  readonly line: number;
}

const MAX_REPORTED = 100;
const NOTHING = Buffer.alloc(0);
const PASSES: Screen = { push: (chunk) => chunk, end: () => NOTHING };

/** What a text is searched for, whatever is done about it. */
export type SearchRules = Omit<DlpRules, 'mode'>;

export function patternsOf({ categories, customPatterns, allowlist }: SearchRules): PatternSet {
  return patternSet({ categories, allowlist, custom: customPatterns.map(compileCustomPattern) });
}

/**
 * Looks for secrets in the members of one archive while they go by, and takes them out if the rules say so. JSON is
 * searched inside its strings, other text as it is; binaries pass, and only they do.
 */
export class DlpScreen {
  private readonly set: PatternSet;
  private readonly types = new Set<string>();
  private readonly reported: ReportedFinding[] = [];
  private readonly paths = new Set<string>();
  private count = 0;

  constructor(private readonly rules: DlpRules) {
    this.set = patternsOf(rules);
  }

  get redacts(): boolean {
    return this.rules.mode === 'redact';
  }

  get hasFindings(): boolean {
    return this.count > 0;
  }

  /** The name under which a member is stored: names may hold secrets too, and no two become one by losing them. */
  pathOf(path: string): string {
    const { text, findings } = redactText(path, this.set);
    for (const finding of findings) this.note(text, finding);
    let free = this.redacts ? text : path;
    while (this.paths.has(free)) free += '~';
    this.paths.add(free);
    return free;
  }

  /** The content to be stored. Must be read to its end. */
  async *contentOf(path: string, content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const options = { set: this.set, note: (finding: Finding): void => this.note(path, finding) };
    let screen = PASSES;
    let isFirst = true;
    for await (const chunk of withHead(content)) {
      if (isFirst) screen = screenFor(path, chunk, options) ?? PASSES;
      isFirst = false;
      yield* this.passed(chunk, screen.push(chunk));
    }
    yield* this.passed(NOTHING, screen.end());
  }

  /** Errors: `forbidden` (`dlp_blocked`) when the rules admit no findings and there are some. */
  outcome(): DlpOutcome {
    if (this.rules.mode === 'block' && this.count > 0) throw dlpBlocked(this.count, this.reported);
    return { count: this.count, types: [...this.types] };
  }

  private *passed(chunk: Buffer, screened: Buffer): Generator<Buffer> {
    const stored = this.redacts ? screened : chunk;
    if (stored.length > 0) yield stored;
  }

  private note(file: string, { patternName, category, severity, line }: Finding): void {
    this.count += 1;
    this.types.add(patternName);
    if (this.reported.length >= MAX_REPORTED) return;
    this.reported.push({ file, pattern: patternName, category, severity, line });
  }
}

/** `findings` are the first of `count`. */
export function dlpBlocked(count: number, findings: readonly object[]): DomainError {
  const found = count === 1 ? '1 finding' : `${count} findings`;
  return new DomainError('forbidden', `Blocked by the organization's data loss prevention policy: ${found}`, {
    reason: 'dlp_blocked',
    details: { findings, findings_count: count },
  });
}
