import type { Message } from '../message.js';
import type { ConversationPass } from '../pass.js';
import { ClaimSurvey } from './claim-survey.js';
import { type ReportFacts, type WrittenReport, writtenReport } from './report.js';
import { RuleAudit } from './rule-audit.js';

export type RuleAuditFacts = Omit<ReportFacts, 'model' | 'provider' | 'baseUrl'>;

export interface RuleAuditOutcome {
  readonly report: WrittenReport;
  readonly messages: number;
  readonly toolCalls: number;
  readonly claims: number;
}

export class RuleAuditPass implements ConversationPass<RuleAuditOutcome> {
  private readonly audit = new RuleAudit();
  private readonly survey = new ClaimSurvey();

  constructor(private readonly facts: RuleAuditFacts) {}

  feed(message: Message, index: number): void {
    this.audit.feed(message, index);
    this.survey.feed(message, index);
  }

  finish(): RuleAuditOutcome {
    const report = this.audit.finish(this.facts);
    const { messages, toolCalls, claims } = this.survey.finish();
    return { report: writtenReport(report), messages, toolCalls, claims };
  }
}
