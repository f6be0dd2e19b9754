import { commandEvent, LineReader } from './command-line.js';

describe('a line of a command', () => {
  it.each<[string, object]>([
    ['{"type":"text","text":"a\\nb"}\n', { type: 'text', text: 'a\nb' }],
    ['{"type":"thinking","text":""}', { type: 'thinking', text: '' }],
    ['{"type":"metadata","metadata":{"a":1}}', { type: 'metadata', metadata: { a: 1 } }],
    ['{"type":"tool_use","id":"1","name":"ls"}', { type: 'tool_use', id: '1', name: 'ls', input: {} }],
    ['{"type":"tool_result","id":"1","content":"x"}', { type: 'tool_result', id: '1', content: 'x', isError: false }],
  ])('is an event: %s', (line, event) => {
    expect(commandEvent(line)).toEqual(event);
  });

  it.each([
    'hello',
    '',
    '{"type":"text"',
    '{"type":"text","text":7}',
    '{"type":"completed"}',
    '{"type":"metadata","metadata":[]}',
    '{"type":"tool_use","id":"","name":"ls"}',
    '{"type":"tool_use","id":"1","name":"a b"}',
    '{"type":"tool_use","id":"1","name":"ls","input":[]}',
    '{"type":"tool_result","id":"1","content":null}',
    '{"type":"tool_result","id":"1","content":"x","is_error":1}',
    ' {"type":"text","text":"indented"}',
  ])('is a text: %s', (line) => {
    expect(commandEvent(line)).toBeNull();
  });
});

describe('the lines of an output', () => {
  it('are whole, wherever it is cut', () => {
    const bytes = Buffer.from('eins\nzwölf\n\nend');
    const lines = new LineReader(100);
    const read = [...bytes].flatMap((byte) => lines.add(Uint8Array.of(byte)));
    expect([...read, ...lines.add(null)]).toEqual(['eins\n', 'zwölf\n', '\n', 'end']);
    expect(lines.add(null)).toEqual([]);
  });

  it('come in pieces when they are too long', () => {
    const lines = new LineReader(3);
    expect(lines.add(Buffer.from('abcd'))).toEqual(['abcd']);
    expect(lines.add(Buffer.from('e\nf'))).toEqual(['e\n']);
    expect(lines.add(null)).toEqual(['f']);
  });
});
