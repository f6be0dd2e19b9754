import { type Llm, type LlmEndpoint, llmNotConfigured } from '#platform';

/** Where a model is asked; the installation's own unless named. Errors: `unavailable` (`llm_not_configured`). */
export function modelEndpoint(llm: Llm, model: string | null): LlmEndpoint {
  const endpoint = llm.ofInstallation;
  if (!endpoint) throw llmNotConfigured();
  return { ...endpoint, model: model ?? endpoint.model };
}
