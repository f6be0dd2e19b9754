import { DomainError, prefixedId, type WireDomainError } from '#kernel';
import type { SealedFor } from '#platform';

export type AuditState = 'queued' | 'running' | 'completed' | 'failed';
/** Who asked: somebody, or the setting that audits what is pushed. */
export const AUDIT_TRIGGERS = ['manual', 'on_sync', 'on_pr'] as const;
export type AuditTrigger = (typeof AUDIT_TRIGGERS)[number];

/** What judges: the rules, the installation's model, or one that its user has named. */
export type JudgeKind = 'rules' | 'installation' | 'own';

/** The judge of one audit, as far as others may know it. */
export interface AuditJudge {
  readonly kind: JudgeKind;
  readonly model: string;
  /** Empty for the rules and for an endpoint of nobody's. */
  readonly provider: string;
  /** Only of an endpoint that its user has named: where the installation's is stays with its operator. */
  readonly baseUrl: string | null;
}

/** One audit of one version of a session: a job until it has ended, a report when it ended well. */
export interface Audit extends AuditJudge {
  readonly id: string;
  readonly sessionUid: string;
  /** The session's own id, and the account it is in. */
  readonly sessionId: string;
  readonly accountId: string;
  /** Whose session it is. */
  readonly ownerId: string;
  /** Null once the version is gone. */
  readonly versionId: string | null;
  readonly etag: string;
  readonly trigger: AuditTrigger;
  readonly state: AuditState;
  /** How often it was begun: more than once after crashes. */
  readonly attempt: number;
  readonly windowsDone: number;
  readonly windowsTotal: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly failure: WireDomainError | null;
  readonly createdAt: Date;
  readonly startedAt: Date | null;
  readonly finishedAt: Date | null;
}

/** A completed audit without its findings. */
export interface AuditResult extends Audit {
  readonly totalClaims: number;
  readonly verified: number;
  readonly unverified: number;
  readonly hallucinations: number;
  /** 0 to 1. */
  readonly trustScore: number;
  readonly executionTimeMs: number;
}

const ID = /^aud_[0-9a-f]{16}$/;

export const isAuditId = (text: string): boolean => ID.test(text);
export const newAuditId = (): string => prefixedId('aud_');

/** What the key of an audit's own judge is sealed for. */
export const sealedForAudit = (id: string): SealedFor => ({ purpose: 'judge key', owner: id });

/** Conversations from this size on are audited in the background (sessionfs-1.md §8.2). */
export const MANY_MESSAGES = 500;

/** How often an audit is begun that a crash interrupts each time. */
export const MAX_ATTEMPTS = 3;

export const NO_CLAIMS = 'no_claims_extracted';

/** sessionfs-1.md §8.2: there were deeds, and nothing was said of them. */
export function noClaims(stats: { readonly toolCalls: number; readonly messages: number }): DomainError {
  return new DomainError(
    'unprocessable',
    'The session has tool calls, but the agent claims nothing that could be audited',
    {
      reason: NO_CLAIMS,
      details: { session_stats: { tool_calls: stats.toolCalls, messages: stats.messages } },
    },
  );
}

export function interrupted(): DomainError {
  return new DomainError('unavailable', `The audit was interrupted ${MAX_ATTEMPTS} times`, { reason: 'interrupted' });
}
