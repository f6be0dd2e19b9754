import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { packageRoot } from '#kernel';
import { readMessage } from '../message.js';
import type { AuditFinding, AuditReport } from './report.js';
import { RuleAudit } from './rule-audit.js';

const ROUNDS = Number(process.env.ROUNDS ?? 200);
const SEED = Number(process.env.SEED ?? Date.now() % 1e9);
const FIXTURES = join(packageRoot(), 'test/fixtures/audit');

interface Expected {
  readonly message_index: number;
  readonly category: string;
  readonly claim: string;
}

function auditOf(lines: readonly string[]): AuditReport {
  const audit = new RuleAudit();
  for (const [index, line] of lines.entries()) {
    const read = readMessage(line);
    if (read.kind === 'message') audit.feed(read, index);
  }
  return audit.finish({ sessionId: 'ses_0123456789abcdef', at: new Date(0), executionTimeMs: 0 });
}

const linesOf = (file: string): string[] => readFileSync(join(FIXTURES, file), 'utf8').trimEnd().split('\n');
const names = (folder: string): string[] =>
  readdirSync(join(FIXTURES, folder))
    .filter((name) => name.endsWith('.jsonl'))
    .map((name) => `${folder}/${name}`);
const falseFindings = (file: string): AuditFinding[] =>
  auditOf(linesOf(file)).findings.filter(({ verdict }) => verdict === 'hallucination');

/** Whether the planted claim of a session, and nothing else in it, is called false. */
function isFound(file: string, expected: Record<string, Expected>): boolean {
  const planted = expected[file.replace(/^.*\/|\.jsonl$/g, '')];
  if (planted === undefined) throw new Error(`${file} has no expected finding`);
  const findings = falseFindings(file);
  const isPlanted = ({ message_index, category, claim }: AuditFinding): boolean =>
    message_index === planted.message_index && category === planted.category && claim.includes(planted.claim);
  return findings.some(isPlanted) && findings.every(({ message_index }) => message_index === planted.message_index);
}

const expectedIn = (folder: string): Record<string, Expected> =>
  JSON.parse(readFileSync(join(FIXTURES, folder, 'expected.json'), 'utf8')) as Record<string, Expected>;

describe.each([
  ['the fixtures', '', 10, 8],
  ['sessions written after the rules', 'held-out/', 6, 5],
])('the audit by rules, on %s', (_, folder, size, least) => {
  it('finds the planted false claims', () => {
    const files = names(`${folder}false`);
    const missed = files.filter((file) => !isFound(file, expectedIn(`${folder}false`)));
    expect(files.length).toBeGreaterThanOrEqual(size);
    expect({ missed, found: files.length - missed.length >= least }).toMatchObject({ found: true });
  });

  it.each(names(`${folder}honest`))('calls nothing false in %s', (file) => {
    expect(falseFindings(file)).toEqual([]);
  });
});

describe('the audit by rules', () => {
  it('reports in the shape of the contract', () => {
    const report = auditOf(linesOf('false/red-suite-called-green.jsonl'));
    expect(Object.keys(report)).toEqual(
      'session_id model timestamp provider base_url execution_time_ms findings summary warnings'.split(' '),
    );
    const [finding] = report.findings.filter(({ verdict }) => verdict === 'hallucination');
    expect(Object.keys(finding ?? {})).toEqual(
      'message_index claim verdict severity evidence explanation category confidence cwe_id evidence_snippets dismissed dismissed_by dismissed_reason'.split(
        ' ',
      ),
    );
    expect(finding).toMatchObject({
      severity: 'critical',
      cwe_id: 'CWE-393',
      dismissed: false,
      dismissed_by: null,
      dismissed_reason: null,
      evidence_snippets: [
        { source: 'Bash jest src/cart', message_index: 6, text: expect.stringContaining('2 failed') },
      ],
    });
    expect(report.summary).toMatchObject({ hallucinations: 1, major_findings: 1, critical_count: 1, high_count: 0 });
    expect(report.summary.trust_score).toBeLessThan(1);
  });

  it('warns where no tool was called, and calls nothing false there', () => {
    const line = (role: string, text: string) => JSON.stringify({ role, content: [{ type: 'text', text }] });
    const report = auditOf([line('user', 'Hi'), line('assistant', 'I ran `npm test` and all 12 tests pass.')]);
    expect(report).toMatchObject({
      warnings: [expect.stringContaining('no tool calls')],
      summary: { hallucinations: 0 },
    });
  });

  it('hides secrets in what it quotes', () => {
    const key = 'ghp' + '_abcdefghijklmnopqrstuvwxyz0123456789';
    const lines = linesOf('false/red-suite-called-green.jsonl').map((line) =>
      line.replaceAll('npx jest', `TOKEN=${key} npx jest`),
    );
    expect(JSON.stringify(auditOf(lines))).not.toContain(key);
  });

  it('takes a call of the same message as what shows the deed', () => {
    const use = { type: 'tool_use', tool_use_id: 'u', name: 'Write', input: { file_path: 'src/a.ts', content: 'x' } };
    const result = { type: 'tool_result', tool_use_id: 'u', content: 'ok' };
    const lines = [
      { role: 'assistant', content: [{ type: 'tool_use', tool_use_id: 'r', name: 'Bash', input: { command: 'ls' } }] },
      { role: 'tool', content: [{ type: 'tool_result', tool_use_id: 'r', content: 'b.ts' }] },
      { role: 'assistant', content: [{ type: 'text', text: 'I created `src/a.ts`.' }, use] },
      { role: 'tool', content: [result] },
    ].map((line) => JSON.stringify(line));
    expect(auditOf(lines).findings).toMatchObject([{ verdict: 'verified' }]);
    expect(
      auditOf(lines.slice(0, 2).concat(JSON.stringify({ role: 'assistant', content: 'I created `src/a.ts`.' })))
        .findings,
    ).toMatchObject([{ verdict: 'hallucination' }]);
  });

  it('ends on any messages without throwing', () => {
    const words = fc.constantFrom(
      ...'I ran created installed `npm test` `src/a.ts` all 12 tests pass. no errors ⟦1⟧ and, found 3 rows returns 200 is set to 5 `'.split(
        ' ',
      ),
    );
    const prose = fc
      .array(fc.oneof(words, fc.string({ unit: 'binary', maxLength: 8 })), { maxLength: 40 })
      .map((parts) => parts.join(' '));
    const block = fc.record({
      type: fc.constantFrom('text', 'text', 'tool_use', 'tool_result'),
      tool_use_id: fc.constantFrom('a', 'b'),
      name: fc.constantFrom('Bash', 'Write', 'x'),
      input: fc.dictionary(fc.constantFrom('command', 'file_path'), fc.oneof(prose, fc.jsonValue())),
      text: prose,
      content: prose,
    });
    const line = fc.record({
      role: fc.constantFrom('assistant', 'user', 'tool'),
      content: fc.array(block, { maxLength: 4 }),
    });
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), (messages) => {
        const { summary } = auditOf(messages.map((message) => JSON.stringify(message)));
        expect(summary.verified + summary.unverified + summary.hallucinations).toBe(summary.total_claims);
      }),
      { numRuns: ROUNDS, seed: SEED },
    );
  });

  it.each(['I ran `', 'all tests pass. ', 'and ', '`a.ts` ', 'created the new ', 'a'])(
    'reads a long text of %j to its end',
    (part) => {
      const call = {
        role: 'assistant',
        content: [{ type: 'tool_use', id: 'a', name: 'Bash', input: { command: part.repeat(2000) } }],
      };
      const text = { role: 'assistant', content: [{ type: 'text', text: part.repeat(20_000) }] };
      expect(auditOf([call, text].map((message) => JSON.stringify(message))).warnings).toEqual([]);
    },
  );
});
