import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import { isLlmProvider, Llm, LLM_PROVIDERS, llmProviderOf } from '#platform';
import { RULES_MODEL } from '../conversation/audit/rule-audit.js';
import type { AuditJudge } from './audit.js';

/** What a request says of the judge; null where it says nothing. */
export interface JudgeWish {
  readonly model: string | null;
  readonly provider: string | null;
  readonly apiKey: string | null;
  readonly baseUrl: string | null;
}

export interface ChosenJudge extends AuditJudge {
  /** The key of a judge that its user has named. */
  readonly apiKey: string | null;
}

export const NO_WISH: JudgeWish = { model: null, provider: null, apiKey: null, baseUrl: null };

const DEFAULT_MODEL = 'claude-sonnet-4';
const RULES: ChosenJudge = { kind: 'rules', model: RULES_MODEL, provider: '', baseUrl: null, apiKey: null };

/** Decides who judges (sessionfs-1.md §8.1): who the request names, else the saved settings, else the installation's. */
@Injectable()
export class JudgeChoice {
  constructor(private readonly llm: Llm) {}

  /** The rules when no model is to be had, or when they are asked for by name. Errors: `invalid_input`. */
  async of(_userId: string, wish: JudgeWish): Promise<ChosenJudge> {
    if (wish.model === RULES_MODEL) return RULES;
    if (wish.apiKey !== null || wish.baseUrl !== null) return named(wish);
    const own = this.llm.ofInstallation;
    if (own === null) return RULES;
    return { kind: 'installation', model: own.model, provider: llmProviderOf(own.model), baseUrl: null, apiKey: null };
  }
}

function named({ model, provider, apiKey, baseUrl }: JudgeWish): ChosenJudge {
  const judge = model ?? DEFAULT_MODEL;
  if (baseUrl !== null)
    return { kind: 'own', model: judge, provider: provider ?? '', baseUrl: baseUrl.replace(/\/+$/, ''), apiKey };
  const vendor = provider ?? llmProviderOf(judge);
  if (!isLlmProvider(vendor))
    throw new DomainError('invalid_input', `No base_url is known for the provider '${vendor}'`, { field: 'provider' });
  return { kind: 'own', model: judge, provider: vendor, baseUrl: LLM_PROVIDERS[vendor], apiKey };
}
