import { Injectable } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import { Database, Llm, type LlmModel, Outbound, type Principal, Sealed, type SealedFor } from '#platform';
import { namedAddress } from '../settings/named-address.js';
import { SettingsJournal } from '../settings/settings-journal.js';
import { SettingsRepository } from '../settings/settings.repository.js';
import {
  type ChosenModel,
  DEFAULT_MODEL,
  type JudgeSettings,
  mayTakeKey,
  type ModelWish,
  providerUrl,
} from './judge-settings.js';

/** Judge settings as they are shown. */
export interface ShownJudgeSettings {
  readonly provider: string;
  readonly model: string;
  readonly baseUrl: string | null;
  /** Whether a key is stored that can be read. */
  readonly isKeySet: boolean;
}

export interface NewJudgeSettings {
  readonly provider: string;
  readonly model: string;
  readonly baseUrl: string | null;
  /** Null keeps the stored one. */
  readonly apiKey: string | null;
}

export interface DiscoveredModels {
  readonly baseUrl: string;
  readonly models: readonly LlmModel[];
}

const UNSET: ShownJudgeSettings = { provider: '', model: '', baseUrl: null, isKeySet: false };
const keyOf = (userId: string): SealedFor => ({ purpose: 'judge API key', owner: userId });

/** Whose model is asked about a person's sessions (sessionfs-1.md §8.1, §11). */
@Injectable()
export class JudgeSettingsService {
  constructor(
    private readonly db: Database,
    private readonly settings: SettingsRepository,
    private readonly sealed: Sealed,
    private readonly outbound: Outbound,
    private readonly llm: Llm,
    private readonly journal: SettingsJournal,
    private readonly clock: Clock,
  ) {}

  async get(caller: Principal): Promise<ShownJudgeSettings> {
    const saved = await this.settings.findJudge(caller.userId);
    return saved ? this.shown(caller.userId, saved) : UNSET;
  }

  /** Errors: `invalid_input` for an address that may not be called, and for a stored key that would go to another host. */
  async save(caller: Principal, given: NewJudgeSettings): Promise<ShownJudgeSettings> {
    const { userId } = caller;
    const baseUrl = given.baseUrl === null ? null : await namedAddress(this.outbound, given.baseUrl, 'base_url');
    return this.db.transaction(async () => {
      const saved = await this.settings.findJudge(userId, true);
      if (given.apiKey === null && saved?.sealedKey && !mayTakeKey(saved, baseUrl)) {
        throw new DomainError('invalid_input', 'The stored key was given for another host: send api_key again', {
          field: 'api_key',
        });
      }
      const sealedKey =
        given.apiKey === null ? (saved?.sealedKey ?? null) : this.sealed.seal(given.apiKey, keyOf(userId));
      const settings = { provider: given.provider, model: given.model, baseUrl, sealedKey };
      await this.settings.saveJudge(userId, settings, this.clock.date());
      const { sealedKey: _, ...facts } = settings;
      await this.journal.record(caller, 'judge', { ...facts, key_given: given.apiKey !== null });
      return this.shown(userId, settings);
    });
  }

  async clear(caller: Principal): Promise<void> {
    await this.db.transaction(async () => {
      const isGone = await this.settings.deleteJudge(caller.userId);
      if (isGone) await this.journal.record(caller, 'judge', { deleted: true });
    });
  }

  /**
   * What an endpoint offers; the stored key is shown to the host it was given for only. Errors: as Llm's, `invalid_input`
   * for an address that may not be called.
   */
  async discover(caller: Principal, url: string, apiKey: string | null): Promise<DiscoveredModels> {
    const baseUrl = await namedAddress(this.outbound, url, 'base_url');
    const saved = apiKey === null ? await this.settings.findJudge(caller.userId) : null;
    const key = saved && mayTakeKey(saved, baseUrl) ? this.openKey(caller.userId, saved) : apiKey;
    return { baseUrl, models: await this.llm.models({ baseUrl, apiKey: key, isTrusted: false }) };
  }

  /**
   * The model a wish comes to: what the request says, gaps filled from the saved settings; without either the
   * installation's. Null when nobody has configured one. Errors: `invalid_input`; `conflict` (`secret_unreadable`).
   */
  async choose(userId: string, wish: ModelWish): Promise<ChosenModel | null> {
    const saved = await this.settings.findJudge(userId);
    const named = wish.baseUrl === null ? null : await namedAddress(this.outbound, wish.baseUrl, 'base_url');
    const baseUrl = named ?? saved?.baseUrl ?? null;
    if (wish.apiKey !== null) return chosen('request', wish, null, baseUrl, wish.apiKey);
    const key = saved && mayTakeKey(saved, named) ? this.openKey(userId, saved) : null;
    if (key !== null || baseUrl !== null)
      return chosen(named === null ? 'settings' : 'request', wish, saved, baseUrl, key);
    const endpoint = this.llm.ofInstallation;
    return endpoint && { endpoint, provider: 'installation', from: 'installation' };
  }

  private openKey(userId: string, { sealedKey }: JudgeSettings): string | null {
    return sealedKey && this.sealed.open(sealedKey, keyOf(userId));
  }

  private shown(userId: string, { provider, model, baseUrl, sealedKey }: JudgeSettings): ShownJudgeSettings {
    return { provider, model, baseUrl, isKeySet: sealedKey !== null && this.sealed.canOpen(sealedKey, keyOf(userId)) };
  }
}

function chosen(
  from: ChosenModel['from'],
  wish: ModelWish,
  saved: JudgeSettings | null,
  baseUrl: string | null,
  apiKey: string | null,
): ChosenModel {
  const model = wish.model ?? saved?.model ?? DEFAULT_MODEL;
  const provider = wish.provider ?? saved?.provider ?? null;
  const endpoint = { baseUrl: baseUrl ?? providerUrl(provider, model), apiKey, model, isTrusted: false };
  return { endpoint, provider: provider ?? '', from };
}
