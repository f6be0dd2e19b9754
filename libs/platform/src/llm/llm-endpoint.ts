/** An OpenAI-compatible endpoint and the model that is asked there. */
export interface LlmEndpoint {
  /** Without a trailing slash; `/chat/completions` follows. */
  readonly baseUrl: string;
  /** Null for an endpoint that asks for none. */
  readonly apiKey: string | null;
  readonly model: string;
  /** Set by the operator and called as it is; what a user names is called through Outbound. */
  readonly isTrusted: boolean;
}

/** OpenAI-compatible base URLs of the vendors that a model's name can stand for (sessionfs-1.md §8.1). */
export const LLM_PROVIDERS = {
  anthropic: 'https://api.anthropic.com/v1',
  openai: 'https://api.openai.com/v1',
  google: 'https://generativelanguage.googleapis.com/v1beta/openai',
  openrouter: 'https://openrouter.ai/api/v1',
} as const;

export type LlmProvider = keyof typeof LLM_PROVIDERS;

export const isLlmProvider = (name: string): name is LlmProvider => Object.hasOwn(LLM_PROVIDERS, name);

/** Whose model it is, by its name; who resells everybody's for names that nobody else has. */
export function llmProviderOf(model: string): LlmProvider {
  if (model.includes('/')) return 'openrouter';
  if (/^claude/i.test(model)) return 'anthropic';
  if (/^(gpt|o[134](-|$))/i.test(model)) return 'openai';
  if (/^gemini/i.test(model)) return 'google';
  return 'openrouter';
}

/** Models that think first: they take no temperature and count their thoughts as output. */
export const isReasoningModel = (model: string): boolean => /(^|\/)(o[134](-|$)|gpt-5)/i.test(model);
