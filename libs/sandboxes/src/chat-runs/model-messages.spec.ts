import { toModelMessages } from './model-messages.js';

const user = (...parts: unknown[]) => ({ role: 'user', message: { parts } }) as const;
const assistant = (...parts: unknown[]) => ({ role: 'assistant', message: { parts } }) as const;

describe('the messages of a chat', () => {
  it('become those of a model, step by step, each call with its result', () => {
    const said = assistant(
      { type: 'step-start' },
      { type: 'reasoning', text: 'Hm.' },
      { type: 'text', text: 'I look.' },
      { type: 'tool-exec', toolCallId: '1', state: 'output-available', input: { command: 'ls' }, output: 'a' },
      { type: 'tool-exec', toolCallId: '2', state: 'output-error', input: {}, errorText: 'no' },
      { type: 'dynamic-tool', toolName: 'web', toolCallId: '3', state: 'input-streaming', input: 'half' },
      { type: 'step-start' },
      { type: 'text', text: 'Done.' },
    );
    const call = (toolCallId: string, toolName: string, input: object) => ({
      type: 'tool-call',
      ...{ toolCallId, toolName, input },
    });
    expect(toModelMessages([user({ type: 'text', text: 'Go' }), said])).toMatchObject([
      { role: 'user', content: [{ type: 'text', text: 'Go' }] },
      {
        role: 'assistant',
        content: [
          { type: 'text', text: 'I look.' },
          call('1', 'exec', { command: 'ls' }),
          call('2', 'exec', {}),
          call('3', 'web', {}),
        ],
      },
      {
        role: 'tool',
        content: [
          { toolCallId: '1', output: { type: 'text', value: 'a' } },
          { toolCallId: '2', output: { type: 'error-text', value: 'no' } },
          { toolCallId: '3', output: { type: 'error-text' } },
        ],
      },
      { role: 'assistant', content: [{ type: 'text', text: 'Done.' }] },
    ]);
  });

  it('show images that they hold, and name what lies elsewhere', () => {
    const [message] = toModelMessages([
      user(
        { type: 'file', mediaType: 'image/png', url: 'data:image/png;base64,AAAA' },
        { type: 'file', mediaType: 'image/png', filename: 'x.png', url: 'http://169.254.169.254/x.png' },
      ),
    ]);
    expect(message?.content).toEqual([
      { type: 'file', mediaType: 'image/png', data: { type: 'data', data: 'AAAA' } },
      { type: 'text', text: '[x.png was attached, which cannot be shown]' },
    ]);
  });

  it('may be of any shape', () => {
    const odd = [null, 7, 'x', {}, { type: 5 }, { type: 'text' }, { type: 'tool-', toolCallId: 'c' }, { type: 'file' }];
    expect(toModelMessages([assistant(...odd), { role: 'user', message: {} }])).toEqual([]);
    expect(toModelMessages([{ role: 'user', message: { content: 'old' } }])).toMatchObject([{ role: 'user' }]);
  });
});
