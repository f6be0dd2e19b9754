import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import { Llm, LLM_REQUEST_FAILED, LLM_TIMEOUT, type LlmEndpoint } from '#platform';
import type { MessageLogReader } from '../archive/message-log-reader.js';
import { type JudgeFindings, readJudgeAnswer } from '../conversation/audit/judge.js';
import { NO_TOOL_CALLS, type Judgement } from '../conversation/audit/report.js';
import type { AuditWindow } from '../conversation/audit/windows.js';
import type { ModelPrompt } from '../conversation/model-prompt.js';
import type { OutwardRules } from '../conversation/secrets/outward.js';
import { ConversationPasses } from '../passes/conversation-passes.js';
import { noClaims } from './audit.js';
import type { AuditProgress } from './audits.repository.js';

/** Windows that are judged side by side. */
const AT_ONCE = 3;
/** An answer that cannot be read is asked for once more. */
const TRIES = 2;

export interface ModelJudging {
  readonly endpoint: LlmEndpoint;
  readonly conversation: MessageLogReader;
  /** What must not be in a question. */
  readonly rules: OutwardRules | null;
  readonly signal: AbortSignal;
  /** Told after each window. */
  progress(progress: AuditProgress): Promise<void>;
}

export interface ModelVerdict {
  readonly judgements: readonly Judgement[];
  readonly warnings: readonly string[];
}

type WindowOutcome = JudgeFindings | DomainError;

/** The audit by a language model: one question for each window of the conversation. */
@Injectable()
export class ModelJudge {
  constructor(
    private readonly passes: ConversationPasses,
    private readonly llm: Llm,
  ) {}

  /**
   * A verdict on most of the windows, with a warning for what is missing. Errors: `unprocessable`
   * (`no_claims_extracted`); what `Llm.complete` reports when the model failed for half of them or more.
   */
  async judge({ endpoint, conversation, rules, signal, progress }: ModelJudging): Promise<ModelVerdict> {
    const survey = await this.passes.run('audit.survey', null, conversation);
    if (survey.claims === 0 && survey.toolCalls > 0) throw noClaims(survey);
    const { questions, claims } = await this.passes.run('audit.prompts', { ...survey, rules }, conversation);
    const counts = { windowsDone: 0, windowsTotal: questions.length, inputTokens: 0, outputTokens: 0 };
    const outcomes: WindowOutcome[] = [];
    const waiting = [...questions];
    const work = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const outcome = await this.judgeWindow(endpoint, next, counts, signal);
        outcomes.push(outcome);
        counts.windowsDone += 1;
        await progress({ ...counts });
        // More answers would change nothing.
        if (isLost(outcomes, questions.length)) waiting.length = 0;
      }
    };
    await progress({ ...counts });
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    const { judgements, warnings } = verdictOf(outcomes, questions.length);
    const missing = survey.claims - claims;
    if (missing > 0) warnings.unshift(`${missing} of ${survey.claims} claims were not looked at: they are too many.`);
    if (survey.toolCalls === 0) warnings.unshift(NO_TOOL_CALLS);
    return { judgements, warnings };
  }

  private async judgeWindow(
    endpoint: LlmEndpoint,
    { window, prompt }: { readonly window: AuditWindow; readonly prompt: ModelPrompt },
    counts: { inputTokens: number; outputTokens: number },
    signal: AbortSignal,
  ): Promise<WindowOutcome> {
    let detail = '';
    for (let tries = 0; tries < TRIES; tries += 1) {
      try {
        const { text, usage } = await this.llm.complete(endpoint, prompt, { signal });
        counts.inputTokens += usage.inputTokens ?? 0;
        counts.outputTokens += usage.outputTokens ?? 0;
        const read = readJudgeAnswer(text, window);
        if (read.kind === 'findings') return read;
        detail = read.detail;
      } catch (error) {
        if (isModelFailure(error)) return error;
        throw error;
      }
    }
    return new DomainError('upstream_failed', `The language model's answer cannot be used: ${detail}`, {
      reason: LLM_REQUEST_FAILED,
    });
  }
}

const isModelFailure = (error: unknown): error is DomainError =>
  error instanceof DomainError && (error.reason === LLM_REQUEST_FAILED || error.reason === LLM_TIMEOUT);

const isFailure = (outcome: WindowOutcome): outcome is DomainError => outcome instanceof DomainError;

/** Half a conversation is no audit of it. */
const isLost = (outcomes: readonly WindowOutcome[], windows: number): boolean =>
  2 * outcomes.filter(isFailure).length >= windows;

function verdictOf(outcomes: readonly WindowOutcome[], windows: number): ModelVerdict & { warnings: string[] } {
  const failures = outcomes.filter(isFailure);
  if (windows > 0 && isLost(outcomes, windows)) throw failures[0]!;
  const found = outcomes.filter((outcome): outcome is JudgeFindings => !isFailure(outcome));
  const unread = found.reduce((sum, { problems }) => sum + problems.length, 0);
  const warnings = [
    ...(failures.length > 0
      ? [`${failures.length} of ${windows} parts of the conversation could not be judged: ${failures[0]!.message}`]
      : []),
    ...(unread > 0 ? [`${unread} findings of the model could not be read and were left out.`] : []),
  ];
  return { judgements: found.flatMap(({ judgements }) => judgements), warnings };
}
