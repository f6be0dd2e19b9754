import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { isStepCount, streamText, tool } from 'ai';
import { z } from 'zod';
import { LlmPeer } from '../../../../test/support/peers/llm.js';
import { loadConfig } from '../config/app-config.js';
import { NameResolver } from '../http/name-resolver.js';
import { Outbound } from '../http/outbound.js';
import { Llm } from './llm.js';
import { type LlmEndpoint, llmProviderOf } from './llm-endpoint.js';

const ASKED = { system: 'You are terse.', user: 'Is it done?' };

let peer: LlmPeer;

beforeAll(async () => {
  peer = await LlmPeer.start();
});

afterAll(() => peer.stop());

function llm(env: Record<string, string> = { OUTBOUND_ALLOW_PRIVATE: '127.0.0.1/32' }): Llm {
  const config = loadConfig({ DATABASE_URL: 'postgres://unused', ...env });
  return new Llm(config, new Outbound(config, new NameResolver(config)));
}

const endpoint = (more: Partial<LlmEndpoint> = {}): LlmEndpoint => ({
  baseUrl: peer.baseUrl,
  apiKey: peer.key,
  model: 'test-model',
  isTrusted: false,
  ...more,
});

describe('a model is asked', () => {
  it.each([true, false])(
    'with instructions, a question and the key, and the tokens are counted (trusted: %s)',
    async (isTrusted) => {
      peer.next('It is.');
      const answer = await llm().complete(endpoint({ isTrusted }), ASKED);
      expect(answer).toEqual({
        text: 'It is.',
        usage: { inputTokens: expect.any(Number), outputTokens: expect.any(Number) },
      });
      expect(peer.calls.at(-1)).toEqual({
        model: 'test-model',
        messages: [
          { role: 'system', content: ASKED.system },
          { role: 'user', content: ASKED.user },
        ],
        max_tokens: 4096,
        temperature: 0,
      });
    },
  );

  it('that thinks, without what such models refuse', async () => {
    await llm().complete(endpoint({ model: 'gpt-5-test' }), ASKED);
    expect(peer.calls.at(-1)).toMatchObject({ max_completion_tokens: 16_384, reasoning_effort: 'medium' });
  });

  it('once more when the service is busy', async () => {
    peer.next({ status: 429, message: 'slow down', headers: { 'retry-after-ms': '1' } }, 'At last.');
    expect(await llm().complete(endpoint(), ASKED)).toMatchObject({ text: 'At last.' });
  });

  it('and tells which ones there are', async () => {
    const known = ['gpt-5-test', 'other-model', 'test-model'].map((id) => ({ id, ownedBy: 'peer' }));
    expect(await llm().models(endpoint())).toEqual(known);
    expect(await llm().models(endpoint({ baseUrl: peer.origin }))).toEqual(known);
  });
});

describe('a call that fails', () => {
  it('says why, and never the key', async () => {
    await expect(llm().complete(endpoint({ apiKey: 'sk-wrong-key' }), ASKED)).rejects.toMatchObject({
      code: 'upstream_failed',
      reason: 'llm_request_failed',
      message: 'The language model answered with status 401: Incorrect API key provided: ***.',
      details: { llm_status: 401 },
    });
    await expect(llm().complete(endpoint({ model: 'no-such' }), ASKED)).rejects.toMatchObject({
      message: expect.stringContaining('The model `no-such` does not exist'),
    });
  });

  it("at the installation's own endpoint tells strangers the status only", async () => {
    await expect(llm().complete(endpoint({ isTrusted: true, model: 'no-such' }), ASKED)).rejects.toMatchObject({
      message: 'The language model answered with status 404',
    });
  });

  it.each([true, false])('for want of time, as that (trusted: %s)', async (isTrusted) => {
    const release = peer.hold();
    try {
      await expect(llm().complete(endpoint({ isTrusted }), ASKED, { timeoutMs: 50 })).rejects.toMatchObject({
        code: 'timeout',
        reason: 'llm_timeout',
      });
    } finally {
      release();
    }
  });

  it('because it was called off, with the reason for that', async () => {
    const release = peer.hold();
    const stop = new AbortController();
    const asking = llm().complete(endpoint(), ASKED, { signal: stop.signal });
    stop.abort(new Error('going down'));
    await expect(asking).rejects.toThrow('going down');
    release();
  });

  it.each(['{"choices":[]}', 'not json', '{"choices":[{"message":{"content":7}}]}'])(
    'for an answer that is none: %s',
    async (raw) => {
      peer.next({ raw });
      await expect(llm().complete(endpoint(), ASKED)).rejects.toMatchObject({ reason: 'llm_request_failed' });
    },
  );

  it('for an address that nobody may name, which the operator may', async () => {
    await expect(llm({}).complete(endpoint(), ASKED)).rejects.toMatchObject({ reason: 'address_not_allowed' });
    expect(await llm({}).complete(endpoint({ isTrusted: true }), ASKED)).toMatchObject({ text: 'Yes.' });
  });

  it('for want of an endpoint', async () => {
    await expect(llm().complete(null, ASKED)).rejects.toMatchObject({
      code: 'unavailable',
      reason: 'llm_not_configured',
    });
  });
});

it('the peer streams text and calls of tools as the SDK reads them', async () => {
  peer.next({ text: 'Let me look at it.', toolCalls: [{ name: 'read', arguments: { path: '/a' } }] }, 'It is empty.');
  const provider = createOpenAICompatible({
    name: 'peer',
    baseURL: peer.baseUrl,
    apiKey: peer.key,
    includeUsage: true,
  });
  const { text, steps, usage } = streamText({
    model: provider('test-model'),
    prompt: 'What is in /a?',
    tools: { read: tool({ inputSchema: z.object({ path: z.string() }), execute: ({ path }) => `${path} is empty` }) },
    stopWhen: isStepCount(3),
  });
  expect(await text).toBe('It is empty.');
  expect((await steps)[0]).toMatchObject({ text: 'Let me look at it.', toolResults: [{ output: '/a is empty' }] });
  expect((await usage).outputTokens).toBeGreaterThan(0);
});

describe("the installation's model", () => {
  const of = (env: Record<string, string>): LlmEndpoint | null => llm(env).ofInstallation;

  it('is where the settings say, or with the vendor of its name', () => {
    expect(of({})).toBeNull();
    expect(of({ LLM_MODEL: 'm', LLM_BASE_URL: 'http://10.0.0.1/v1/', LLM_API_KEY: 'k' })).toEqual({
      baseUrl: 'http://10.0.0.1/v1',
      apiKey: 'k',
      model: 'm',
      isTrusted: true,
    });
    expect(of({ LLM_MODEL: 'claude-x', LLM_API_KEY: 'k' })).toMatchObject({ baseUrl: 'https://api.anthropic.com/v1' });
  });

  it('needs a name when the rest is set, and a problem does not show the key', () => {
    expect(() => of({ LLM_BASE_URL: 'http://10.0.0.1/v1' })).toThrow('LLM_MODEL must name a model');
    expect(() => of({ LLM_MODEL: 'm', LLM_API_KEY: 'two words' })).toThrow(/LLM_API_KEY must be printable[^"]*$/);
  });

  it.each([
    ['claude-sonnet-4', 'anthropic'],
    ['gpt-4o', 'openai'],
    ['o3', 'openai'],
    ['o4-mini', 'openai'],
    ['gemini-2.0-flash', 'google'],
    ['openai/o3', 'openrouter'],
    ['llama3', 'openrouter'],
    ['o3x', 'openrouter'],
  ])('%s is %s’s', (model, provider) => {
    expect(llmProviderOf(model)).toBe(provider);
  });
});
