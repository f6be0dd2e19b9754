import { toOpenAiMessages } from './openai-messages.js';

it('hands a conversation on as chat completions take it', () => {
  const output = { type: 'error-text' as const, value: 'no' };
  expect(
    toOpenAiMessages([
      { role: 'user', content: 'Hello' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'See' },
          { type: 'file', mediaType: 'image/png', data: { type: 'data', data: 'AAAA' } },
        ],
      },
      {
        role: 'assistant',
        content: [
          { type: 'text', text: 'I look.' },
          { type: 'tool-call', toolCallId: '1', toolName: 'ls', input: { path: 'a' } },
        ],
      },
      { role: 'tool', content: [{ type: 'tool-result', toolCallId: '1', toolName: 'ls', output }] },
    ]),
  ).toEqual([
    { role: 'user', content: 'Hello' },
    {
      role: 'user',
      content: [
        { type: 'text', text: 'See' },
        { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
      ],
    },
    {
      role: 'assistant',
      content: 'I look.',
      tool_calls: [{ id: '1', type: 'function', function: { name: 'ls', arguments: '{"path":"a"}' } }],
    },
    { role: 'tool', tool_call_id: '1', content: 'no' },
  ]);
});
