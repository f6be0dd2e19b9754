import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import {
  IsBoolean,
  IsInt,
  IsNotEmpty,
  IsOptional,
  IsString,
  IsUrl,
  Matches,
  Max,
  MaxLength,
  Min,
} from 'class-validator';
import { AUDIT_TRIGGERS, type AuditResult } from '../audits/audit.js';
import type { AcceptedAudit } from '../audits/audit-requests.service.js';
import type { AuditStatus, StoredAudit } from '../audits/audits.service.js';
import type { ModelWish } from '../models/judge-settings.js';

const NO_NUL = /^[^\0]*$/;
const toInt = Transform(({ value }: { value: unknown }) =>
  typeof value === 'string' && value !== '' ? Number(value) : value,
);
const text = { type: 'string', nullable: true } as const;

/** Who is to judge. What is left out comes from the saved judge settings, then from the installation. */
export class CapturedAuditBody {
  @ApiPropertyOptional({ ...text, maxLength: 200, description: '`rules` asks for the audit without a model' })
  @IsOptional()
  @Matches(NO_NUL)
  @MaxLength(200)
  @IsNotEmpty()
  @IsString()
  model?: string | null;

  @ApiPropertyOptional({ ...text, maxLength: 50 })
  @IsOptional()
  @Matches(NO_NUL)
  @MaxLength(50)
  @IsNotEmpty()
  @IsString()
  provider?: string | null;

  @ApiPropertyOptional({ ...text, maxLength: 4096, description: 'Used for this audit alone' })
  @IsOptional()
  @Matches(/^[\x21-\x7e]+$/, { message: 'llm_api_key must be printable without spaces' })
  @MaxLength(4096)
  @IsString()
  llm_api_key?: string | null;

  @ApiPropertyOptional({ ...text, maxLength: 2048, description: 'OpenAI-compatible; /chat/completions follows' })
  @IsOptional()
  @MaxLength(2048)
  @IsUrl({ require_tld: false, protocols: ['http', 'https'], require_protocol: true })
  base_url?: string | null;

  static toWish(body: CapturedAuditBody): ModelWish {
    return {
      model: body.model ?? null,
      provider: body.provider ?? null,
      apiKey: body.llm_api_key ?? null,
      baseUrl: body.base_url ?? null,
    };
  }
}

export class CapturedAuditAccepted {
  @ApiProperty({ enum: ['accepted'] }) status!: string;
  @ApiProperty() session_id!: string;
  @ApiProperty() audit_id!: string;
  @ApiProperty() message!: string;

  static from({ sessionId, auditId, messages }: AcceptedAudit): CapturedAuditAccepted {
    const message = `The session has ${messages} messages and is audited in the background; ask audit/status for its end`;
    return { status: 'accepted', session_id: sessionId, audit_id: auditId, message };
  }
}

export class CapturedEvidenceSnippet {
  @ApiProperty() source!: string;
  @ApiProperty() message_index!: number;
  @ApiProperty() text!: string;
}

export class CapturedAuditFinding {
  @ApiProperty({ description: 'Line of messages.jsonl, from 0' }) message_index!: number;
  @ApiProperty() claim!: string;
  @ApiProperty({ enum: ['verified', 'unverified', 'hallucination'] }) verdict!: string;
  @ApiProperty({ enum: ['critical', 'high', 'low'] }) severity!: string;
  @ApiProperty() evidence!: string;
  @ApiProperty() explanation!: string;
  @ApiProperty() category!: string;
  @ApiProperty({ minimum: 0, maximum: 100 }) confidence!: number;
  @ApiProperty(text) cwe_id!: string | null;
  @ApiProperty({ type: [CapturedEvidenceSnippet] }) evidence_snippets!: CapturedEvidenceSnippet[];
  @ApiProperty() dismissed!: boolean;
  @ApiProperty(text) dismissed_by!: string | null;
  @ApiProperty(text) dismissed_reason!: string | null;
}

export class CapturedAuditSummary {
  @ApiProperty() total_claims!: number;
  @ApiProperty() verified!: number;
  @ApiProperty() unverified!: number;
  @ApiProperty() hallucinations!: number;
  @ApiProperty({ description: 'verified / total_claims; 0 without claims' }) trust_score!: number;
  @ApiProperty() major_findings!: number;
  @ApiProperty() moderate_findings!: number;
  @ApiProperty() minor_findings!: number;
  @ApiProperty() critical_count!: number;
  @ApiProperty() high_count!: number;
  @ApiProperty() low_count!: number;
}

/** sessionfs-1.md §8.2 AuditResponse: sent on as it is stored. */
export class CapturedAuditReport {
  @ApiProperty() session_id!: string;
  @ApiProperty({ description: '`rules` when no model judged' }) model!: string;
  @ApiProperty({ format: 'date-time' }) timestamp!: string;
  @ApiProperty() provider!: string;
  @ApiProperty() base_url!: string;
  @ApiProperty() execution_time_ms!: number;
  @ApiProperty({ type: [CapturedAuditFinding] }) findings!: CapturedAuditFinding[];
  @ApiProperty() summary!: CapturedAuditSummary;
  @ApiProperty({ type: [String] }) warnings!: string[];
}

export class CapturedAuditStatus {
  @ApiProperty({ enum: ['not_started', 'running', 'completed', 'failed'], description: 'Of the newest audit' })
  status!: string;
  @ApiProperty() session_id!: string;
  @ApiProperty(text) audit_id!: string | null;
  @ApiProperty({ ...text, description: 'Why it failed, as a code' }) reason!: string | null;
  @ApiProperty({ ...text, description: 'Why it failed, in words' }) message!: string | null;
  @ApiProperty({ enum: AUDIT_TRIGGERS, nullable: true, type: 'string' }) trigger!: string | null;
  @ApiProperty(text) model!: string | null;
  @ApiProperty(text) provider!: string | null;
  @ApiProperty({ ...text, description: 'ETag of the version that is or was audited' }) etag!: string | null;
  @ApiProperty({ description: 'How often it was begun' }) attempt!: number;
  @ApiProperty({ description: 'Parts that the model has judged' }) windows_done!: number;
  @ApiProperty() windows_total!: number;
  @ApiProperty() input_tokens!: number;
  @ApiProperty() output_tokens!: number;
  @ApiProperty({ format: 'date-time', ...text }) created_at!: string | null;
  @ApiProperty({ format: 'date-time', ...text }) started_at!: string | null;
  @ApiProperty({ format: 'date-time', ...text }) finished_at!: string | null;

  static from({ session, audit }: AuditStatus): CapturedAuditStatus {
    const session_id = session.id;
    if (audit === null) return { ...NOT_STARTED, session_id };
    const isUnderWay = audit.state === 'queued' || audit.state === 'running';
    const { failure } = audit;
    return {
      status: isUnderWay ? 'running' : audit.state,
      session_id,
      audit_id: audit.id,
      reason: failure && (failure.reason ?? failure.code),
      message: failure && failure.message,
      trigger: audit.trigger,
      model: audit.model,
      provider: audit.provider,
      etag: audit.etag,
      attempt: audit.attempt,
      windows_done: audit.windowsDone,
      windows_total: audit.windowsTotal,
      input_tokens: audit.inputTokens,
      output_tokens: audit.outputTokens,
      created_at: audit.createdAt.toISOString(),
      started_at: audit.startedAt?.toISOString() ?? null,
      finished_at: audit.finishedAt?.toISOString() ?? null,
    };
  }
}

const NOT_STARTED: Omit<CapturedAuditStatus, 'session_id'> = {
  status: 'not_started',
  audit_id: null,
  reason: null,
  message: null,
  trigger: null,
  model: null,
  provider: null,
  etag: null,
  attempt: 0,
  windows_done: 0,
  windows_total: 0,
  input_tokens: 0,
  output_tokens: 0,
  created_at: null,
  started_at: null,
  finished_at: null,
};

export class CapturedAuditsQuery {
  @ApiPropertyOptional({ minimum: 1, maximum: 200, default: 100 })
  @IsOptional()
  @toInt
  @Max(200)
  @Min(1)
  @IsInt()
  limit?: number;

  @ApiPropertyOptional({ description: 'Id of an audit: only those before it' })
  @IsOptional()
  @Matches(/^aud_[0-9a-f]{16}$/)
  before?: string;
}

export class CapturedAuditListItem {
  @ApiProperty() id!: string;
  @ApiProperty() session_id!: string;
  @ApiProperty() judge_model!: string;
  @ApiProperty() judge_provider!: string;
  @ApiProperty({ description: '0 to 100' }) trust_score!: number;
  @ApiProperty() total_claims!: number;
  @ApiProperty() contradiction_count!: number;
  @ApiProperty() execution_time_ms!: number;
  @ApiProperty({ enum: AUDIT_TRIGGERS }) trigger!: string;
  @ApiProperty({ description: 'ETag of the audited version' }) etag!: string;
  @ApiProperty({ format: 'date-time' }) created_at!: string;

  static from(result: AuditResult): CapturedAuditListItem {
    return {
      id: result.id,
      session_id: result.sessionId,
      judge_model: result.model,
      judge_provider: result.provider,
      trust_score: Math.round(100 * result.trustScore),
      total_claims: result.totalClaims,
      contradiction_count: result.hallucinations,
      execution_time_ms: result.executionTimeMs,
      trigger: result.trigger,
      etag: result.etag,
      created_at: result.createdAt.toISOString(),
    };
  }
}

export class CapturedAudit {
  @ApiProperty() id!: string;
  @ApiProperty() session_id!: string;
  @ApiProperty() model!: string;
  @ApiProperty() provider!: string;
  @ApiProperty(text) base_url!: string | null;
  @ApiProperty({ description: '0 to 1' }) trust_score!: number;
  @ApiProperty() total_claims!: number;
  @ApiProperty() verified!: number;
  @ApiProperty() unverified!: number;
  @ApiProperty() hallucinations!: number;
  @ApiProperty() execution_time_ms!: number;
  @ApiProperty({ enum: AUDIT_TRIGGERS }) trigger!: string;
  @ApiProperty({ description: 'ETag of the audited version' }) etag!: string;
  @ApiProperty() input_tokens!: number;
  @ApiProperty() output_tokens!: number;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ type: [CapturedAuditFinding] }) findings!: CapturedAuditFinding[];
  @ApiProperty({ type: [String] }) warnings!: string[];

  /** As JSON text: findings go on as they are stored. */
  static json({ result, findings, warnings }: StoredAudit): string {
    const head: Omit<CapturedAudit, 'findings' | 'warnings'> = {
      id: result.id,
      session_id: result.sessionId,
      model: result.model,
      provider: result.provider,
      base_url: result.baseUrl,
      trust_score: result.trustScore,
      total_claims: result.totalClaims,
      verified: result.verified,
      unverified: result.unverified,
      hallucinations: result.hallucinations,
      execution_time_ms: result.executionTimeMs,
      trigger: result.trigger,
      etag: result.etag,
      input_tokens: result.inputTokens,
      output_tokens: result.outputTokens,
      created_at: result.createdAt.toISOString(),
    };
    return `${JSON.stringify(head).slice(0, -1)},"findings":${findings},"warnings":${warnings}}`;
  }
}

export class CapturedDismissBody {
  @ApiProperty({ description: 'Place in the findings of the newest report, from 0' })
  @Max(1_000_000)
  @Min(-1_000_000)
  @IsInt()
  finding_index!: number;

  @ApiPropertyOptional({ default: true, description: 'false takes a dismissal back' })
  @IsOptional()
  @IsBoolean()
  dismissed?: boolean;

  @ApiPropertyOptional({ default: '', maxLength: 2000 })
  @IsOptional()
  @Matches(NO_NUL)
  @MaxLength(2000)
  @IsString()
  reason?: string;
}

export class CapturedDismissal {
  @ApiProperty({ enum: ['ok'] }) status!: string;
  @ApiProperty() finding_index!: number;
  @ApiProperty() dismissed!: boolean;
}
