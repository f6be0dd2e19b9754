import { storableJson } from '../../archive/storable.js';
import type { JsonValue } from '../json.js';

/** The report of §8.2, member for member as it is stored and answered: hence the wire's own spelling. */
export interface AuditReport {
  readonly session_id: string;
  readonly model: string;
  readonly timestamp: string;
  readonly provider: string;
  readonly base_url: string;
  readonly execution_time_ms: number;
  readonly findings: readonly AuditFinding[];
  readonly summary: AuditSummary;
  readonly warnings: readonly string[];
}

export type Verdict = 'verified' | 'unverified' | 'hallucination';
export type AuditSeverity = 'critical' | 'high' | 'low';
export type AuditCategory =
  'test_result' | 'command_output' | 'dependency' | 'file_existence' | 'data_misread' | 'code_claim' | 'other';

export interface EvidenceSnippet {
  readonly source: string;
  readonly message_index: number;
  readonly text: string;
}

export interface AuditFinding {
  readonly message_index: number;
  readonly claim: string;
  readonly verdict: Verdict;
  readonly severity: AuditSeverity;
  readonly evidence: string;
  readonly explanation: string;
  readonly category: AuditCategory;
  /** 0 to 100. */
  readonly confidence: number;
  readonly cwe_id: string | null;
  readonly evidence_snippets: readonly EvidenceSnippet[];
  readonly dismissed: boolean;
  readonly dismissed_by: string | null;
  readonly dismissed_reason: string | null;
}

export interface AuditSummary {
  readonly total_claims: number;
  readonly verified: number;
  readonly unverified: number;
  readonly hallucinations: number;
  /** verified / total, three decimals; 0 without claims. */
  readonly trust_score: number;
  readonly major_findings: number;
  readonly moderate_findings: number;
  readonly minor_findings: number;
  readonly critical_count: number;
  readonly high_count: number;
  readonly low_count: number;
}

export const CATEGORIES: Readonly<Record<AuditCategory, { severity: AuditSeverity; cwe: string | null }>> = {
  test_result: { severity: 'critical', cwe: 'CWE-393' },
  command_output: { severity: 'critical', cwe: 'CWE-684' },
  dependency: { severity: 'critical', cwe: 'CWE-1104' },
  file_existence: { severity: 'high', cwe: 'CWE-552' },
  data_misread: { severity: 'high', cwe: 'CWE-135' },
  code_claim: { severity: 'high', cwe: 'CWE-710' },
  other: { severity: 'low', cwe: null },
};

/** What a judge, rules or model, decides about one claim. */
export interface Judgement {
  readonly messageIndex: number;
  readonly claim: string;
  readonly category: AuditCategory;
  readonly verdict: Verdict;
  readonly confidence: number;
  readonly evidence: string;
  readonly explanation: string;
  readonly snippets: readonly EvidenceSnippet[];
  /** Called false only because nothing shows it: what comes next may still do so. */
  readonly byAbsence?: boolean;
}

/** A finding as it enters a report: severity and CWE follow the category. */
export function findingOf(judgement: Judgement): AuditFinding {
  const { severity, cwe } = CATEGORIES[judgement.category];
  return {
    message_index: judgement.messageIndex,
    claim: judgement.claim,
    verdict: judgement.verdict,
    severity,
    evidence: judgement.evidence,
    explanation: judgement.explanation,
    category: judgement.category,
    confidence: Math.min(100, Math.max(0, Math.round(judgement.confidence))),
    cwe_id: cwe,
    evidence_snippets: judgement.snippets,
    dismissed: false,
    dismissed_by: null,
    dismissed_reason: null,
  };
}

export function summaryOf(findings: readonly AuditFinding[]): AuditSummary {
  const count = (isCounted: (finding: AuditFinding) => boolean): number => findings.filter(isCounted).length;
  const severe = (severity: AuditSeverity): number =>
    count((finding) => finding.verdict === 'hallucination' && finding.severity === severity);
  const verified = count(({ verdict }) => verdict === 'verified');
  const [critical, high, low] = [severe('critical'), severe('high'), severe('low')];
  return {
    total_claims: findings.length,
    verified,
    unverified: count(({ verdict }) => verdict === 'unverified'),
    hallucinations: count(({ verdict }) => verdict === 'hallucination'),
    trust_score: findings.length === 0 ? 0 : Math.round((1000 * verified) / findings.length) / 1000,
    major_findings: critical,
    moderate_findings: high,
    minor_findings: low,
    critical_count: critical,
    high_count: high,
    low_count: low,
  };
}

export const NO_TOOL_CALLS = 'The session has no tool calls: no claim in it can be verified.';

export interface ReportFacts {
  readonly sessionId: string;
  readonly model: string;
  readonly provider: string;
  readonly baseUrl: string;
  readonly at: Date;
  readonly executionTimeMs: number;
}

/** Puts a report together; judgements on the same claim of the same message count once. */
export function reportOf(
  facts: ReportFacts,
  judgements: readonly Judgement[],
  warnings: readonly string[],
): AuditReport {
  const distinct = new Map<string, AuditFinding>();
  for (const judgement of judgements) {
    const key = `${judgement.messageIndex} ${judgement.claim}`;
    if (!distinct.has(key)) distinct.set(key, findingOf(judgement));
  }
  const findings = [...distinct.values()].sort((a, b) => a.message_index - b.message_index);
  return {
    session_id: facts.sessionId,
    model: facts.model,
    timestamp: facts.at.toISOString(),
    provider: facts.provider,
    base_url: facts.baseUrl,
    execution_time_ms: facts.executionTimeMs,
    findings,
    summary: summaryOf(findings),
    warnings,
  };
}

/** A report as it is stored and sent on: nobody on the main thread takes it apart. */
export interface WrittenReport {
  readonly json: string;
  readonly summary: AuditSummary;
}

export function writtenReport(report: AuditReport): WrittenReport {
  return { json: JSON.stringify(storableJson(report as unknown as JsonValue)), summary: report.summary };
}
