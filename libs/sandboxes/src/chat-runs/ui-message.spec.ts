import { readUIMessageStream, type UIMessage as SdkMessage, type UIMessageChunk } from 'ai';
import type { AgentEvent } from '../agent/agent-event.js';
import { UiMessage } from './ui-message.js';
import { UiStream } from './ui-stream.js';

const STEP: AgentEvent[] = [
  { type: 'started' },
  { type: 'thinking-start', id: '0-a', step: 0 },
  { type: 'thinking-delta', id: '0-a', text: 'Look ' },
  { type: 'thinking-delta', id: '0-a', text: 'first.' },
  { type: 'thinking-end', id: '0-a' },
  { type: 'text-start', id: '0-1', step: 0 },
  { type: 'text-delta', id: '0-1', text: 'I list ' },
  { type: 'tool-start', id: 'call', name: 'exec', step: 0 },
  { type: 'tool-input-delta', id: 'call', text: '{"command":' },
  { type: 'tool-input-delta', id: 'call', text: '"ls"}' },
  { type: 'text-delta', id: '0-1', text: 'files.' },
  { type: 'text-end', id: '0-1' },
  { type: 'tool-start', id: 'bad', name: 'nothing', step: 0 },
  { type: 'tool-executing', id: 'call', name: 'exec', input: { command: 'ls' } },
  { type: 'tool-end', id: 'call' },
  { type: 'tool-result', id: 'call', name: 'exec', content: 'a.txt\n[exit code 0]', isError: false },
  { type: 'tool-executing', id: 'bad', name: 'nothing', input: {} },
  { type: 'tool-result', id: 'bad', name: 'nothing', content: 'There is no tool', isError: true },
];
const USAGE = { inputTokens: 1, outputTokens: 1 };
const WHOLE: AgentEvent[] = [
  ...STEP,
  { type: 'text-start', id: '1-1', step: 1 },
  { type: 'text-delta', id: '1-1', text: 'Done.' },
  { type: 'text-end', id: '1-1' },
  // Models name calls as they like.
  { type: 'tool-start', id: 'call', name: 'read_file', step: 1 },
  { type: 'tool-executing', id: 'call', name: 'read_file', input: { path: 'a.txt' } },
  { type: 'tool-result', id: 'call', name: 'read_file', content: 'A', isError: false },
  { type: 'completed', status: 'completed', reason: null, usage: USAGE },
];

function chunksOf(events: readonly AgentEvent[]): UIMessageChunk[] {
  const stream = new UiStream('msg_1');
  return events.flatMap((event) => stream.chunksOf(event));
}

function stored(chunks: readonly UIMessageChunk[]): readonly unknown[] {
  const message = new UiMessage();
  for (const chunk of chunks) message.add(chunk);
  return message.finish();
}

async function asClient(chunks: readonly UIMessageChunk[]): Promise<SdkMessage | undefined> {
  const stream = new ReadableStream<UIMessageChunk>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
  let last: SdkMessage | undefined;
  for await (const message of readUIMessageStream({ stream })) last = message;
  return JSON.parse(JSON.stringify(last)) as SdkMessage;
}

describe('a run in the chunks of the AI SDK', () => {
  it('is read by its client as the message that is stored', async () => {
    const chunks = chunksOf(WHOLE);
    expect(await asClient(chunks)).toEqual({ id: 'msg_1', role: 'assistant', parts: stored(chunks) });
  });

  it('frames each call of the model as a step, and ends with how it ended', () => {
    const types = chunksOf(WHOLE).map(({ type }) => type);
    expect(types.filter((type) => /^(start|finish)/.test(type))).toEqual([
      'start',
      'start-step',
      'finish-step',
      'start-step',
      'finish-step',
      'finish',
    ]);
    expect(chunksOf([...STEP, { type: 'cancelled' }]).at(-1)).toMatchObject({ type: 'abort' });
    const failed = { type: 'failed', error: 'llm_timeout', message: 'Too slow' } as const;
    expect(chunksOf([...STEP, failed]).at(-1)).toEqual({ type: 'error', errorText: 'Too slow' });
    const long = { type: 'completed', status: 'incomplete', reason: 'max_steps', usage: USAGE } as const;
    expect(chunksOf([...STEP, long]).at(-1)).toEqual({ type: 'finish', finishReason: 'length' });
  });

  it('tells any beginning of a run in the same chunks as the whole', () => {
    const whole = chunksOf(WHOLE);
    for (let length = 0; length <= WHOLE.length; length += 1) {
      const some = chunksOf(WHOLE.slice(0, length));
      expect(whole.slice(0, some.length)).toEqual(some);
    }
  });
});

describe('a message that was cut off', () => {
  it.each(STEP.map((_event, index) => index))('is whole after %i events', (length) => {
    for (const part of stored(chunksOf(STEP.slice(0, length))) as { type: string; state?: string }[])
      expect([undefined, 'done', 'output-available', 'output-error']).toContain(part.state);
  });

  it('can be stored whatever a command printed', () => {
    const events: AgentEvent[] = [
      { type: 'tool-start', id: 'c', name: 'exec', step: 0 },
      { type: 'tool-executing', id: 'c', name: 'exec', input: { command: 'a\0b', deep: ['\ud800'] } },
      { type: 'tool-result', id: 'c', name: 'exec', content: 'x\0y\udfff', isError: false },
    ];
    expect(stored(chunksOf(events)).at(-1)).toMatchObject({
      input: { command: 'ab', deep: ['\ufffd'] },
      output: 'xy\ufffd',
    });
  });
});
