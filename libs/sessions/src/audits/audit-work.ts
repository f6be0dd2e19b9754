import { Injectable } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import { Llm, llmNotConfigured, type LlmEndpoint, Sealed } from '#platform';
import { Archives } from '../archive/archives.js';
import type { MessageLogReader } from '../archive/message-log-reader.js';
import { reportOf, type WrittenReport, writtenReport } from '../conversation/audit/report.js';
import { DlpGate } from '../dlp/dlp-gate.service.js';
import { ConversationPasses } from '../passes/conversation-passes.js';
import { VersionsRepository } from '../sync/versions.repository.js';
import { sealedForAudit } from './audit.js';
import type { AuditProgress, ClaimedAudit } from './audits.repository.js';
import { ModelJudge } from './model-judge.js';

/** Does the work of an audit: reads the conversation, has it judged, writes the report. Changes nothing. */
@Injectable()
export class AuditWork {
  constructor(
    private readonly versions: VersionsRepository,
    private readonly archives: Archives,
    private readonly passes: ConversationPasses,
    private readonly model: ModelJudge,
    private readonly llm: Llm,
    private readonly sealed: Sealed,
    private readonly dlp: DlpGate,
    private readonly clock: Clock,
  ) {}

  /** Errors: `unprocessable` (`no_claims_extracted`), `gone` when the version is, and what a model fails with. */
  async report(
    audit: ClaimedAudit,
    signal: AbortSignal,
    progress: (progress: AuditProgress) => Promise<void>,
  ): Promise<WrittenReport> {
    const conversation = await this.conversationOf(audit);
    const facts = { sessionId: audit.sessionId, at: this.clock.date(), executionTimeMs: 0 };
    if (audit.kind === 'rules') return this.passes.run('audit.rules', facts, conversation);
    const endpoint = this.endpointOf(audit);
    const rules = await this.dlp.outwardRules({ accountId: audit.accountId, userId: audit.ownerId });
    const { judgements, warnings } = await this.model.judge({ endpoint, conversation, rules, signal, progress });
    const { model, provider, baseUrl } = audit;
    return writtenReport(reportOf({ ...facts, model, provider, baseUrl: baseUrl ?? '' }, judgements, warnings));
  }

  private async conversationOf({ versionId }: ClaimedAudit): Promise<MessageLogReader> {
    const version = versionId === null ? null : await this.versions.find(versionId);
    if (!version) throw new DomainError('gone', 'The version of the session is gone');
    return this.archives.messages(version.messagesDigest, version.messagesIndex);
  }

  private endpointOf({ id, kind, model, baseUrl, sealedKey }: ClaimedAudit): LlmEndpoint {
    if (kind === 'own' && baseUrl !== null) {
      const apiKey = sealedKey === null ? null : this.sealed.open(sealedKey, sealedForAudit(id));
      return { baseUrl, apiKey, model, isTrusted: false };
    }
    const own = this.llm.ofInstallation;
    if (own === null) throw llmNotConfigured();
    return own;
  }
}
