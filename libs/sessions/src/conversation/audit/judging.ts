import { excerpt } from '../bounded-text.js';
import { FOR_STRANGERS } from '../secrets/pattern-set.js';
import { redactText } from '../secrets/redact.js';
import type { Evidence, Fact } from './evidence.js';
import type { Sentence } from './prose.js';
import type { AuditCategory, EvidenceSnippet, Judgement } from './report.js';
import type { Role } from './programs.js';

/** Where a sentence stands when a rule judges it. */
export interface Place {
  readonly sentence: Sentence;
  readonly messageIndex: number;
  readonly evidence: Evidence;
}

/** A rule reads one sentence and judges the claims of its kind in it; none is the usual answer. */
export type Rule = (place: Place) => readonly Judgement[];

const MAX_CLAIM = 300;

export interface Decision {
  readonly verdict: Judgement['verdict'];
  readonly confidence: number;
  readonly explanation: string;
  readonly facts?: readonly Fact[];
  readonly byAbsence?: boolean;
}

export function judged({ sentence, messageIndex }: Place, category: AuditCategory, decision: Decision): Judgement {
  const snippets = (decision.facts ?? []).slice(0, 3).map(snippetOf);
  return {
    messageIndex,
    claim: excerpt(sentence.text, MAX_CLAIM),
    category,
    verdict: decision.verdict,
    confidence: decision.confidence,
    evidence: snippets.map(({ source, text }) => `${source}: ${text}`).join(' | '),
    explanation: decision.explanation,
    snippets,
    byAbsence: decision.byAbsence === true,
  };
}

function snippetOf(fact: Fact): EvidenceSnippet {
  const what = fact.commands.join(' && ') || [...fact.writes, ...fact.deletes].join(', ');
  return {
    source: excerpt(redactText(what === '' ? fact.tool : `${fact.tool} ${what}`, FOR_STRANGERS).text, 200),
    message_index: fact.resultIndex ?? fact.index,
    text: fact.unanswered ? 'no result' : fact.excerpt,
  };
}

/**
 * The verdict on something no call shows: false only where everything the agent did is in view, nothing opaque ran,
 * and no user brought word of it. Else it stays unverified.
 */
export function absent({ evidence, messageIndex }: Place, what: string): Decision {
  const isFalse = evidence.isComplete && !evidence.hasOpaque() && !evidence.userReportedNear(messageIndex);
  if (isFalse)
    return { verdict: 'hallucination', confidence: 80, explanation: `No tool call ${what}.`, byAbsence: true };
  return {
    verdict: 'unverified',
    confidence: 40,
    explanation: `No tool call visibly ${what}, but the conversation may not show everything that happened.`,
  };
}

/** What a run says for itself: it failed, it went well, or its end is unknown. */
export function outcomeDecision(fact: Fact, what: string): Decision {
  if (fact.unanswered)
    return { verdict: 'unverified', confidence: 40, explanation: `How ${what} ended is not recorded.`, facts: [fact] };
  if (fact.failed)
    return { verdict: 'hallucination', confidence: 90, explanation: `The last run of ${what} failed.`, facts: [fact] };
  return { verdict: 'verified', confidence: 85, explanation: `The last run of ${what} succeeded.`, facts: [fact] };
}

/** The last fact with a role, and whether files were changed after it. */
export function lastHaving(
  evidence: Evidence,
  role: Role,
): { readonly fact: Fact | undefined; readonly isStale: boolean } {
  const fact = evidence.having(role).at(-1);
  const isStale =
    fact !== undefined &&
    evidence.facts.some(({ index, writes, failed }) => index > fact.index && writes.length > 0 && !failed);
  return { fact, isStale };
}
