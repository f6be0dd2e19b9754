import { toStatelessInput } from './stateless-input.js';

it('takes a text for a message', () => {
  expect(toStatelessInput('Hi')).toEqual({ instructions: '', messages: [{ role: 'user', content: 'Hi' }] });
});

it('reads messages, and calls with their outputs, in the order they came', () => {
  const call = (id: string) => ({ type: 'function_call', call_id: id, name: 'f', arguments: `{"id":"${id}"}` });
  const output = (id: string) => ({ type: 'function_call_output', call_id: id, output: `of ${id}` });
  const { instructions, messages } = toStatelessInput([
    { role: 'system', content: 'Be brief.' },
    { role: 'developer', content: 'Be kind.' },
    {
      role: 'user',
      content: [
        { type: 'input_text', text: 'One ' },
        { type: 'input_text', text: 'question' },
      ],
    },
    call('a'),
    call('b'),
    output('b'),
    output('a'),
    { type: 'message', role: 'assistant', content: 'Done.' },
  ]);
  const said = (id: string) => ({ type: 'tool-call', toolCallId: id, toolName: 'f', input: { id } });
  const told = (id: string) => ({
    type: 'tool-result',
    toolCallId: id,
    toolName: 'f',
    output: { type: 'text', value: `of ${id}` },
  });
  expect(instructions).toBe('Be brief.\n\nBe kind.');
  expect(messages).toEqual([
    { role: 'user', content: 'One question' },
    { role: 'assistant', content: [said('a'), said('b')] },
    { role: 'tool', content: [told('b'), told('a')] },
    { role: 'assistant', content: 'Done.' },
  ]);
});

it.each<[unknown, string]>([
  [undefined, 'input'],
  ['', 'input'],
  ['a\0', 'input'],
  [[], 'input'],
  [[{ role: 'system', content: 'x' }], 'input'],
  [['x'], 'input.0'],
  [[{ role: 'tool', content: 'x' }], 'input.0.role'],
  [[{ role: 'user', content: 7 }], 'input.0.content'],
  [[{ role: 'user', content: [{ type: 'input_image' }] }], 'input.0.content.0'],
  [[{ type: 'reasoning' }], 'input.0.type'],
  [[{ type: 'function_call', call_id: 'a', name: 'f', arguments: '{' }], 'input.0.arguments'],
  [[{ type: 'function_call', call_id: 'a', name: 'f', arguments: '{}' }], 'input'],
  [[{ type: 'function_call_output', call_id: 'a', output: 'x' }], 'input.0.call_id'],
])('refuses %j by name', (input, field) => {
  expect(() => toStatelessInput(input)).toThrow(expect.objectContaining({ code: 'invalid_input', field }));
});
