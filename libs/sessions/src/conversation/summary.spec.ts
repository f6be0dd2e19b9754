import fc from 'fast-check';
import { readMessage } from './message.js';
import { SummaryBuilder, type ConversationSummary } from './summary.js';

const ROUNDS = Number(process.env.ROUNDS ?? 300);
const SEED = Number(process.env.SEED ?? Date.now() % 1e9);
const HERE = { branch: 'tabs', commit: '0123' };

function summary(lines: Iterable<unknown>): ConversationSummary {
  const builder = new SummaryBuilder();
  for (const line of lines) {
    const read = readMessage(JSON.stringify(line));
    if (read.kind === 'message') builder.feed(read);
  }
  return builder.finish(HERE);
}

/** A call and its result, in the spelling of the format. */
function exchange(id: string, name: string, input: unknown, result: unknown, facts = {}): unknown[] {
  return [
    { role: 'assistant', content: [{ type: 'tool_use', tool_use_id: id, name, input }] },
    { role: 'tool', content: [{ type: 'tool_result', tool_use_id: id, content: result, ...facts }] },
  ];
}

describe('the summary of a conversation', () => {
  it('is that of the example of the contract', () => {
    const at = (minute: string) => `2026-07-02T08:${minute}Z`;
    const [use, result] = exchange('u1', 'Bash', { command: 'pytest -q tests/tabs' }, '2 passed, 1 failed', {
      exit_code: 1,
    });
    const lines = [
      { role: 'user', timestamp: at('00:00'), content: [{ type: 'text', text: 'Why does a tab break line 7?' }] },
      { ...(use as object), timestamp: at('04:00') },
      { ...(result as object), timestamp: at('04:20') },
      { role: 'assistant', timestamp: at('09:30'), content: 'One test still fails; the lexer skips tabs.' },
    ];
    expect(summary(lines)).toEqual({
      branch: 'tabs',
      commit: '0123',
      durationMinutes: 10,
      messageCount: 4,
      toolCallCount: 1,
      filesModified: [],
      filesRead: [],
      commandsExecuted: 1,
      testsRun: 3,
      testsPassed: 2,
      testsFailed: 1,
      packagesInstalled: [],
      errorsEncountered: [],
      lastAssistantMessages: ['One test still fails; the lexer skips tabs.'],
    });
  });

  it('names files by what was done to them, whatever the agent calls its tools', () => {
    const patch = '*** Begin Patch\n*** Update File: src/c.py\n+x\n*** Delete File: src/d.py\n*** End Patch';
    const lines = [
      ...exchange('1', 'Read', { file_path: '/w/src/a.ts' }, 'x'),
      ...exchange('2', 'Read', { file_path: '/w/src/b.ts' }, 'x'),
      ...exchange('3', 'Edit', { file_path: '/w/src/a.ts', old_string: 'x', new_string: 'y' }, 'done'),
      ...exchange('4', 'shell', { command: ['bash', '-lc', `apply_patch <<'EOF'\n${patch}\nEOF`] }, 'Success'),
      ...exchange('5', 'write_file', { file_path: 'docs/e.md', content: '' }, 'ok'),
      ...exchange('6', 'run_shell_command', { command: 'echo hi > out/f.txt && sed -i s/a/b/ src/g.ts' }, ''),
      ...exchange('7', 'Write', { file_path: '/w/never.ts' }, 'permission denied', { is_error: true }),
      ...exchange('8', 'Grep', { pattern: 'x', path: 'src/lib' }, 'x'),
      ...exchange('9', 'Glob', { pattern: '**/*.ts', path: '.' }, 'x'),
    ];
    expect(summary(lines)).toMatchObject({
      filesModified: ['/w/src/a.ts', 'src/c.py', 'src/d.py', 'docs/e.md', 'out/f.txt', 'src/g.ts'],
      filesRead: ['/w/src/b.ts', 'src/lib'],
      commandsExecuted: 2,
      toolCallCount: 9,
    });
  });

  it('counts a result once, pairs by id where tool_use_id is missing, and reads a repeated message as one call', () => {
    const use = {
      role: 'assistant',
      content: [{ type: 'tool_use', id: 'x', tool_name: 'Bash', input: { command: 'jest' } }],
    };
    const result = { type: 'tool_result', id: 'x', content: 'Tests:       1 failed, 4 passed, 5 total' };
    const lines = [use, use, { role: 'tool', content: [result, result] }, { role: 'tool', content: [result] }];
    expect(summary(lines)).toMatchObject({ toolCallCount: 1, testsRun: 5, testsPassed: 4, testsFailed: 1 });
  });

  it('lists packages that were installed, and none whose install failed', () => {
    const lines = [
      ...exchange('1', 'Bash', { command: 'cd web && npm i -D zod@3 @scope/kit@^2 ./local' }, 'added 2 packages'),
      ...exchange('2', 'Bash', { command: 'python -m pip install "requests==2.1" -r dev.txt uvicorn[standard]' }, 'ok'),
      ...exchange('3', 'Bash', { command: 'npm install ghost' }, 'npm ERR! 404 ghost', { exit_code: 1 }),
      ...exchange('4', 'Bash', { command: 'npm install' }, 'up to date'),
    ];
    expect(summary(lines).packagesInstalled).toEqual(['zod', '@scope/kit', 'requests', 'uvicorn']);
  });

  it('keeps five distinct errors, cut to 200 characters', () => {
    const error = (name: string) => `Error: ${name} ${'x'.repeat(300)}`;
    const output = ['Error: short', 'Error: (none)', ...'aabcdefg'].map((name) =>
      name.length > 1 ? name : error(name),
    );
    const { errorsEncountered } = summary(exchange('1', 'Bash', { command: 'make' }, output.join('\n')));
    expect(errorsEncountered).toHaveLength(5);
    expect(errorsEncountered.every((line) => line.length <= 200)).toBe(true);
    expect(errorsEncountered[0]).toMatch(/^Error: a x+…$/);
  });

  it('does not count tests that a file merely quotes', () => {
    const lines = [
      ...exchange('1', 'Read', { file_path: 'ci/last.txt' }, '9 passed, 1 failed'),
      ...exchange('2', 'Bash', { command: 'cd x && cat README.md' }, '9 passed, 1 failed'),
    ];
    expect(summary(lines)).toMatchObject({ testsRun: 0 });
  });

  it('stays small over a hundred thousand messages', () => {
    function* many() {
      for (let i = 0; i < 50_000; i += 1) yield* exchange(`${i}`, 'Write', { file_path: `src/f${i}.ts` }, 'ok');
    }
    const result = summary(many());
    expect(result).toMatchObject({ messageCount: 100_000, toolCallCount: 50_000 });
    expect(result.filesModified).toHaveLength(500);
  });

  it('is made of any messages without throwing', () => {
    const block = fc.record({
      type: fc.constantFrom('tool_use', 'tool_result', 'text'),
      tool_use_id: fc.constantFrom('a', 'b', null),
      name: fc.constantFrom('Bash', 'shell', 'Write', 'apply_patch', 'x'),
      input: fc.dictionary(fc.constantFrom('command', 'path', 'input', 'edits'), fc.jsonValue()),
      content: fc.oneof(fc.jsonValue(), fc.string({ unit: 'binary' })),
    });
    const line = fc.record({ role: fc.constantFrom('assistant', 'tool'), content: fc.array(block) });
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        expect(summary(lines).messageCount).toBe(lines.length);
      }),
      { numRuns: ROUNDS, seed: SEED },
    );
  });
});
