import { ClaimSurvey } from '../conversation/audit/claim-survey.js';
import { JudgePrompts, type PromptTask } from '../conversation/audit/judge-prompts.js';
import { RuleAuditPass, type RuleAuditFacts } from '../conversation/audit/rule-audit-pass.js';
import { SharedHtmlPass, SharedJsonPass } from '../conversation/page/shared-passes.js';
import { NarrativePass, type NarrativeTask } from '../conversation/narrative-pass.js';
import type { ConversationPass } from '../conversation/pass.js';
import type { OutwardRules } from '../conversation/secrets/outward.js';
import type { Workspace } from '../conversation/summary.js';
import { SummaryPass } from '../conversation/summary-pass.js';
import { SearchTextPass } from '../search/search-text-pass.js';

/** Every pass a worker can run, by name; what each is made from must survive a structured clone. */
export const PASSES = {
  'audit.rules': (facts: RuleAuditFacts) => new RuleAuditPass(facts),
  'audit.survey': (_: null) => new ClaimSurvey(),
  'audit.prompts': (task: PromptTask) => new JudgePrompts(task),
  'share.html': (rules: OutwardRules | null) => new SharedHtmlPass(rules),
  'share.json': (rules: OutwardRules | null) => new SharedJsonPass(rules),
  summary: (workspace: Workspace) => new SummaryPass(workspace),
  narrative: (task: NarrativeTask) => new NarrativePass(task),
  'search.text': (_: null) => new SearchTextPass(),
} satisfies Record<string, (input: never) => ConversationPass<unknown, unknown>>;

export type PassName = keyof typeof PASSES;
export type PassInput<Name extends PassName> = Parameters<(typeof PASSES)[Name]>[0];
export type PassResult<Name extends PassName> = ReturnType<ReturnType<(typeof PASSES)[Name]>['finish']>;
/** What the pass tells after each block. */
export type PassPart<Name extends PassName> =
  ReturnType<(typeof PASSES)[Name]> extends { part(): infer Part } ? Part : never;
