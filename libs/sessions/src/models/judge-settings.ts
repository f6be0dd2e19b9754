import { isLlmProvider, LLM_PROVIDERS, type LlmEndpoint, llmProviderOf } from '#platform';

/** Which model judges and narrates for a user. */
export interface JudgeSettings {
  readonly provider: string;
  readonly model: string;
  /** Without a trailing slash; null for the provider's own. */
  readonly baseUrl: string | null;
  readonly sealedKey: Buffer | null;
}

/** What a request says of the model it wants; the saved settings fill the gaps. */
export interface ModelWish {
  readonly model: string | null;
  readonly provider: string | null;
  readonly apiKey: string | null;
  readonly baseUrl: string | null;
}

export const NO_WISH: ModelWish = { model: null, provider: null, apiKey: null, baseUrl: null };

/** The model a request comes to. */
export interface ChosenModel {
  readonly endpoint: LlmEndpoint;
  /** As settings or request name it; whose model it is by its name otherwise. */
  readonly provider: string;
  readonly from: 'request' | 'settings' | 'installation';
}

export const DEFAULT_MODEL = 'claude-sonnet-4';

/** The vendor of a name that nobody has to know, else whose model it is by its own name. */
export function providerUrl(provider: string | null, model: string): string {
  const known = provider?.toLowerCase() ?? '';
  return LLM_PROVIDERS[isLlmProvider(known) ? known : llmProviderOf(model)];
}

/** Whether a key that was given for `settings` may go to `baseUrl`: to another host of the user's choice it may not. */
export function mayTakeKey(
  settings: Pick<JudgeSettings, 'provider' | 'model' | 'baseUrl'>,
  baseUrl: string | null,
): boolean {
  if (baseUrl === null) return true;
  const own = settings.baseUrl ?? providerUrl(settings.provider, settings.model);
  return new URL(baseUrl).origin === new URL(own).origin;
}
