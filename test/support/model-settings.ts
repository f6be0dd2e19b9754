/** How a server is told of a model endpoint, by default of the first model that the test peer has. */
export function modelSettings(
  { baseUrl, key }: { readonly baseUrl: string; readonly key: string },
  model = 'test-model',
): Record<'LLM_BASE_URL' | 'LLM_API_KEY' | 'LLM_MODEL', string> {
  return { LLM_BASE_URL: baseUrl, LLM_API_KEY: key, LLM_MODEL: model };
}
