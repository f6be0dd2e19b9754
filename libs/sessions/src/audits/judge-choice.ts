import { Injectable } from '@nestjs/common';
import { RULES_MODEL } from '../conversation/audit/rule-audit.js';
import type { ModelWish } from '../models/judge-settings.js';
import { JudgeSettingsService } from '../models/judge-settings.service.js';
import type { AuditJudge } from './audit.js';

export interface ChosenJudge extends AuditJudge {
  /** The key of a judge that its user has named. */
  readonly apiKey: string | null;
}

const RULES: ChosenJudge = { kind: 'rules', model: RULES_MODEL, provider: '', baseUrl: null, apiKey: null };

/** Decides who judges (sessionfs-1.md §8.1). */
@Injectable()
export class JudgeChoice {
  constructor(private readonly settings: JudgeSettingsService) {}

  /**
   * The model of the request, of the user's settings or of the installation; the rules when there is none, or when they
   * are asked for by name. Errors: `invalid_input`, `conflict` (`secret_unreadable`).
   */
  async of(userId: string, wish: ModelWish): Promise<ChosenJudge> {
    if (wish.model === RULES_MODEL) return RULES;
    const chosen = await this.settings.choose(userId, wish);
    if (chosen === null) return RULES;
    const { endpoint, provider, from } = chosen;
    const known = { model: endpoint.model, provider };
    return from === 'installation'
      ? { ...known, kind: 'installation', baseUrl: null, apiKey: null }
      : { ...known, kind: 'own', baseUrl: endpoint.baseUrl, apiKey: endpoint.apiKey };
  }
}
