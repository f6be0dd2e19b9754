import { redactText } from '../secrets/redact.js';
import { FOR_STRANGERS } from '../secrets/pattern-set.js';
import type { Message } from '../message.js';
import { codeRule } from './code-claims.js';
import { commandRule } from './command-claims.js';
import { dataRule } from './data-claims.js';
import { dependencyRule } from './dependency-claims.js';
import { Evidence } from './evidence.js';
import { fileRule } from './file-claims.js';
import { gitRule } from './git-claims.js';
import type { Place, Rule } from './judging.js';
import { sentencesOf } from './prose.js';
import { NO_TOOL_CALLS, reportOf, type AuditReport, type Judgement, type ReportFacts } from './report.js';
import { testRule } from './test-claims.js';

/** What the report names as the model that judged. */
export const RULES_MODEL = 'rules';
const MAX_JUDGEMENTS = 2000;

/** The first rule that knows a sentence judges it, except that one sentence may claim several kinds of things. */
const RULES: readonly Rule[] = [testRule, dependencyRule, fileRule, gitRule, commandRule, codeRule, dataRule];

/**
 * The audit without a model: one pass over a conversation, each claim of the agent held against what its tools had
 * answered by then. A claim is called false only where a tool contradicts it, or where it tells of the agent's own deed
 * and everything the agent did is in view. Bounded in memory; fed garbage it finds nothing.
 */
export class RuleAudit {
  private readonly evidence = new Evidence();
  private readonly judgements: Judgement[] = [];
  /** Places judged false by absence, by their judgement: agents also tell first and do then. */
  private readonly doubtful = new Map<Judgement, Place>();

  feed(message: Message, index: number): void {
    this.evidence.feed(message, index);
    if (message.role !== 'assistant' || message.isSidechain || message.isMeta) return;
    for (const block of message.blocks) if (block.type === 'text') this.judge(block.text, index);
  }

  /** The report of everything fed, secrets redacted; the audit is spent. */
  finish(facts: Omit<ReportFacts, 'model' | 'provider' | 'baseUrl'>): AuditReport {
    this.evidence.finish();
    const judgements = this.judgements.map((judgement) => redacted(this.reconsidered(judgement)));
    const warnings = this.evidence.toolCalls === 0 ? [NO_TOOL_CALLS] : [];
    const whole = { ...facts, model: RULES_MODEL, provider: '', baseUrl: '' };
    return reportOf(whole, judgements, warnings);
  }

  private judge(text: string, messageIndex: number): void {
    for (const sentence of sentencesOf(text)) {
      if (this.judgements.length >= MAX_JUDGEMENTS) return;
      if (sentence.clauses.length === 0) continue;
      const place = { sentence, messageIndex, evidence: this.evidence };
      const found = RULES.flatMap((rule) => rule(place));
      // One finding per sentence: the worst verdict speaks for it.
      const worst = found.find(isFalse) ?? found.find(({ verdict }) => verdict === 'unverified') ?? found[0];
      if (worst === undefined) continue;
      this.judgements.push(worst);
      if (worst.byAbsence === true) this.doubtful.set(worst, place);
    }
  }

  /** A deed told in the message that does it, or in the one before, is shown by a call that was not answered yet. */
  private reconsidered(judgement: Judgement): Judgement {
    const place = this.doubtful.get(judgement);
    if (place === undefined) return judgement;
    const again = RULES.flatMap((rule) => rule(place)).filter(({ category }) => category === judgement.category);
    const shown = again.filter(({ snippets }) =>
      snippets.some((snippet) => snippet.message_index <= place.messageIndex + 2),
    );
    return shown.find(({ verdict }) => verdict !== 'hallucination') ?? judgement;
  }
}

const isFalse = ({ verdict }: Judgement): boolean => verdict === 'hallucination';

function redacted(judgement: Judgement): Judgement {
  const clean = (text: string): string => redactText(text, FOR_STRANGERS).text;
  return {
    ...judgement,
    claim: clean(judgement.claim),
    evidence: clean(judgement.evidence),
    explanation: clean(judgement.explanation),
    snippets: judgement.snippets.map((snippet) => ({
      ...snippet,
      source: clean(snippet.source),
      text: clean(snippet.text),
    })),
  };
}
