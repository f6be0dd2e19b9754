import type { Message } from '../message.js';
import type { ConversationPass } from '../pass.js';
import { type ReportFacts, type WrittenReport, writtenReport } from './report.js';
import { RuleAudit } from './rule-audit.js';

export type RuleAuditFacts = Omit<ReportFacts, 'model' | 'provider' | 'baseUrl'>;

/** The audit without a model as a pass. */
export class RuleAuditPass implements ConversationPass<WrittenReport> {
  private readonly audit = new RuleAudit();

  constructor(private readonly facts: RuleAuditFacts) {}

  feed(message: Message, index: number): void {
    this.audit.feed(message, index);
  }

  finish(): WrittenReport {
    return writtenReport(this.audit.finish(this.facts));
  }
}
