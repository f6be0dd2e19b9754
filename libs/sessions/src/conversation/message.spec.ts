import fc from 'fast-check';
import { isShown, readMessage, type Message } from './message.js';

const ROUNDS = Number(process.env.ROUNDS ?? 300);
const SEED = Number(process.env.SEED ?? Date.now() % 1e9);

function message(value: unknown): Message {
  const read = readMessage(JSON.stringify(value));
  if (read.kind !== 'message') throw new Error(`not a message: ${read.reason}`);
  return read;
}

describe('a line of messages.jsonl', () => {
  it('reads the fields of the format', () => {
    const line = {
      msg_id: 'm1',
      parent_msg_id: 'm0',
      role: 'assistant',
      timestamp: '2026-07-02T08:00:00Z',
      model: 'demo-1',
      is_sidechain: true,
      content: [
        { type: 'text', text: 'Hello' },
        { type: 'thinking', thinking: 'hm' },
        { type: 'tool_use', tool_use_id: 'u1', name: 'Bash', input: { command: 'ls' } },
        { type: 'tool_result', tool_use_id: 'u1', content: 'a\nb', is_error: true, exit_code: 2, duration_ms: '12' },
        { type: 'summary', text: 'before' },
        { type: 'hologram', beam: 1 },
      ],
    };
    expect(message(line)).toEqual({
      kind: 'message',
      id: 'm1',
      parentId: 'm0',
      role: 'assistant',
      at: Date.UTC(2026, 6, 2, 8),
      model: 'demo-1',
      isSidechain: true,
      isMeta: false,
      raw: line,
      blocks: [
        { type: 'text', text: 'Hello' },
        { type: 'thinking', text: 'hm' },
        { type: 'tool_use', id: 'u1', name: 'Bash', input: { command: 'ls' } },
        { type: 'tool_result', id: 'u1', text: 'a\nb', isError: true, exitCode: 2, durationMs: 12 },
        { type: 'summary', text: 'before' },
        { type: 'other', kind: 'hologram', raw: { type: 'hologram', beam: 1 } },
      ],
    });
  });

  it.each([
    [{ type: 'tool_use', id: 'x', tool_name: 'shell', input: '{"command":["ls"]}' }, 'shell', { command: ['ls'] }],
    [{ type: 'tool_use', id: 'x', name: 'apply_patch', input: '*** Begin' }, 'apply_patch', { input: '*** Begin' }],
    [{ type: 'tool_use', id: 'x', name: 7, tool_name: 'n', input: [1] }, 'n', {}],
  ])('reads the other spellings of a tool call: %j', (block, name, input) => {
    expect(message({ content: [block] }).blocks).toEqual([{ type: 'tool_use', id: 'x', name, input }]);
  });

  it.each([
    ['text', 'text'],
    [[{ type: 'text', text: 'a' }, { type: 'image' }, 'b'], 'a\nb'],
    [{ stdout: 'x' }, '{"stdout":"x"}'],
    [null, ''],
  ])('reads the content of a tool result %j', (content, text) => {
    expect(message({ content: [{ type: 'tool_result', content }] }).blocks).toMatchObject([{ text }]);
  });

  it.each([
    ['{"a":', 'not_json'],
    ['', 'not_json'],
    ['[]', 'not_an_object'],
    ['null', 'not_an_object'],
    ['7', 'not_an_object'],
    [`{"content":${'['.repeat(5000)}${']'.repeat(5000)}}`, 'nested_too_deep'],
  ])('reports the line %#', (line, reason) => expect(readMessage(line)).toEqual({ kind: 'bad_line', reason }));

  it.each([
    [{ role: 'user', content: 'hi' }, true],
    [{ role: 'user', content: '' }, false],
    [{ role: 'user', content: [] }, false],
    [{ role: 'user' }, false],
    [{ role: 'tool', content: [] }, true],
    [{ role: 'assistant', content: 'hi', is_sidechain: true }, false],
    [{ role: 'assistant', content: 'hi', is_sidechain: 'yes' }, true],
  ])('knows whether it is shown: %j', (line, shown) => expect(isShown(message(line))).toBe(shown));

  it('reads any JSON value and any text without throwing', () => {
    const key = fc.constantFrom(
      ...['type', 'content', 'role', 'text', 'tool_use_id', 'id', 'name', 'input', 'timestamp', 'exit_code'],
    );
    const type = fc.constantFrom('text', 'tool_use', 'tool_result', 'thinking', 'image');
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 4 },
        fc.jsonValue({ maxDepth: 1 }),
        type,
        fc.array(tie('any'), { maxLength: 4 }),
        fc.dictionary(key, tie('any'), { maxKeys: 6 }),
      ),
    })).any;
    const line = fc.oneof(
      value.map((any) => JSON.stringify(any)),
      fc.dictionary(key, value).map((object) => JSON.stringify(object)),
      fc.string({ unit: 'binary' }),
    );
    fc.assert(
      fc.property(line, (text) => {
        const read = readMessage(text);
        if (read.kind === 'message') expect(typeof isShown(read)).toBe('boolean');
      }),
      { numRuns: ROUNDS, seed: SEED },
    );
  });
});
