import fc from 'fast-check';
import type { JsonObject, JsonValue } from '../conversation/json.js';
import { type MetadataSources, readMetadata } from './metadata.js';
import { normaliseRemote } from './git-remote.js';
import { smartTitle } from './smart-title.js';
import { storableJson } from './storable.js';

const ROUNDS = Number(process.env['ROUNDS'] ?? 500);
const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000);

const read = (manifest: JsonObject | null, more: Partial<MetadataSources> = {}) =>
  readMetadata({ manifest, workspace: null, prompt: null, messageCount: 0, redact: (text) => text, ...more });

const REMOTE = 'https://u:t@github.com/Acme/App.git';
const ID = 'a'.repeat(40);
const LONG_ID = 'f'.repeat(64);

describe('what a manifest says', () => {
  it('reads every field of the contract', () => {
    const { metadata, problems } = read(
      {
        title: 'Fix the lexer',
        tags: ['a', 'b'],
        source: { tool: 'codex', tool_version: '1', original_session_id: 'n-1' },
        model: { provider: 'openai', model_id: 'demo' },
        stats: {
          message_count: 4,
          turn_count: 2,
          tool_use_count: 1,
          total_input_tokens: 5_000_000_000,
          total_output_tokens: 7,
          duration_ms: 0,
        },
        _resume_parent_id: 'ses_parent',
        persona_name: '  atlas ',
        ticket_id: 'tk_1',
        retrieval_audit_id: 'ra_1',
        instruction_provenance: {
          rules_source: 'repo',
          rules_version: '3',
          rules_hash: 'sha256:abc',
          instruction_artifacts: [{ path: 'A' }],
        },
      },
      {
        workspace: { git: { remote_url: REMOTE, branch: 'main', commit_sha: LONG_ID, commits: [ID] } },
      },
    );
    expect(problems).toEqual([]);
    expect(metadata).toEqual({
      title: 'Fix the lexer',
      tags: ['a', 'b'],
      sourceTool: 'codex',
      sourceToolVersion: '1',
      originalSessionId: 'n-1',
      modelProvider: 'openai',
      modelId: 'demo',
      messageCount: 4,
      turnCount: 2,
      toolUseCount: 1,
      totalInputTokens: 5_000_000_000,
      totalOutputTokens: 7,
      durationMs: 0,
      parentSessionId: 'ses_parent',
      personaName: 'atlas',
      ticketId: 'tk_1',
      retrievalAuditId: 'ra_1',
      rulesSource: 'repo',
      rulesVersion: '3',
      rulesHash: 'abc',
      instructionArtifacts: [{ path: 'A' }],
      gitRemote: 'acme/app',
      gitBranch: 'main',
      gitCommit: LONG_ID,
      gitCommits: [ID],
    });
  });

  it('has defaults for an empty one, and no title without one', () => {
    expect(read({})).toMatchObject({
      problems: [],
      metadata: { sourceTool: 'unknown', tags: [], rulesSource: 'none', durationMs: null },
    });
    expect(read(null).metadata.title).toBeNull();
  });

  it.each<[JsonObject, object, string]>([
    [{ tags: { a: 1 } }, { tags: [] }, 'manifest.tags is not a list'],
    [
      { tags: ['a', 1, '', 'a', null] },
      { tags: ['a'] },
      'manifest.tags has members that are no text, empty or twice there',
    ],
    [{ tags: ['x'.repeat(51)] }, { tags: ['x'.repeat(50)] }, 'manifest.tags has members longer than 50 characters'],
    [
      { model: { model_id: 'm'.repeat(101) } },
      { modelId: 'm'.repeat(100) },
      'manifest.model.model_id is longer than 100 characters',
    ],
    [{ stats: { message_count: 'many' } }, { messageCount: 0 }, 'manifest.stats.message_count is not a number'],
    [{ stats: { turn_count: -3 } }, { turnCount: 0 }, 'manifest.stats.turn_count is not a whole number in range'],
    [
      { stats: { turn_count: 1e300 } },
      { turnCount: 2 ** 31 - 1 },
      'manifest.stats.turn_count is not a whole number in range',
    ],
    [{ source: 'codex' }, { sourceTool: 'unknown' }, 'manifest.source is not an object'],
    [{ source: { tool: 7 } }, { sourceTool: 'unknown' }, 'manifest.source.tool is not text'],
    [
      { retrieval_audit_id: '../x' },
      { retrievalAuditId: null },
      'manifest.retrieval_audit_id has characters that no id has',
    ],
    [
      { instruction_provenance: { instruction_artifacts: ['x'.repeat(70_000)] } },
      { instructionArtifacts: [] },
      'manifest.instruction_provenance.instruction_artifacts is too large',
    ],
  ])('notes what it cannot use: %#', (manifest, expected, problem) => {
    const { metadata, problems } = read(manifest);
    expect(metadata).toMatchObject(expected);
    expect(problems).toEqual([problem]);
  });

  it('takes NUL, control characters and half characters out of what is stored', () => {
    const dirty = 'a\0b\nc\ud800';
    const { metadata } = read({
      tags: [dirty],
      source: { tool: dirty },
      instruction_provenance: { instruction_artifacts: [{ [dirty]: dirty }] },
    });
    expect(metadata).toMatchObject({
      tags: ['ab c\ufffd'],
      sourceTool: 'ab c\ufffd',
      instructionArtifacts: [{ 'ab\nc\ufffd': 'ab\nc\ufffd' }],
    });
  });

  it.each(['<synthetic>', 'synthetic', '', '  '])('has no model for the id %j', (id) => {
    expect(read({ model: { model_id: id } }).metadata.modelId).toBeNull();
  });

  it('never throws, whatever the manifest holds, and keeps within every cap', () => {
    const anything = fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<JsonObject[string]>;
    const nasty = fc.oneof(anything, fc.string({ unit: 'binary', maxLength: 300 }), fc.double());
    const inner = fc.dictionary(
      fc.constantFrom(
        'tool',
        'model_id',
        'message_count',
        'duration_ms',
        'remote_url',
        'branch',
        'rules_hash',
        'instruction_artifacts',
      ),
      nasty,
    );
    const names = [
      'title',
      'tags',
      'source',
      'model',
      'stats',
      'git',
      'persona_name',
      'parent_session_id',
      'instruction_provenance',
      '__proto__',
    ];
    const manifest = fc.dictionary(fc.constantFrom(...names), fc.oneof(nasty, inner));
    fc.assert(
      fc.property(manifest, manifest, fc.string({ unit: 'binary' }), (one, two, prompt) => {
        const { metadata } = read(one as JsonObject, { workspace: two as JsonObject, prompt });
        const texts = [metadata.title, metadata.sourceTool, metadata.modelId, metadata.gitBranch, ...metadata.tags];
        for (const text of texts)
          expect(text === null || (text.length <= 255 && text === text.toWellFormed() && !text.includes('\0'))).toBe(
            true,
          );
        expect(JSON.stringify(storableJson(metadata.instructionArtifacts))).toBe(
          JSON.stringify(metadata.instructionArtifacts),
        );
        for (const count of [metadata.messageCount, metadata.durationMs ?? 0])
          expect(Number.isSafeInteger(count) && count >= 0).toBe(true);
      }),
      { numRuns: ROUNDS, seed: SEED },
    );
  });
});

it.each<[JsonValue, string[], string | null]>([
  [null, [], null],
  ['x', [], 'is not a list'],
  [[ID, LONG_ID], [ID, LONG_ID], null],
  [[ID, ID], [ID], 'has members that are no commit ids or twice there'],
  [['abc', 7, 'A'.repeat(40), {}, "'"], [], 'has members that are no commit ids or twice there'],
])('takes of the commits %j those that are some', (commits, expected, problem) => {
  const { metadata, problems } = read({}, { workspace: { git: { commits } } });
  expect(metadata.gitCommits).toEqual(expected);
  expect(problems).toEqual(problem === null ? [] : [`workspace.git.commits ${problem}`]);
});

describe('a title', () => {
  const title = (given: string | null, prompt: string | null = null, messageCount = 0): string =>
    smartTitle({ given, prompt, messageCount }, (text) => text.replaceAll('sk-secret', '[redacted]'));

  it.each([
    ['Fix the parser', 'ignored', 'Fix the parser'],
    ['ab', 'Please help', 'Please help'],
    ['# Heading', 'Please help', 'Please help'],
    ['<system>', '```\n---\nIMPORTANT: no\nYou are a bot\nSet x to y\nMake it fast', 'Make it fast'],
    ['Co-authored-by: a', 'Load the atlas persona\n\n  Ship   it\tnow ', 'Ship it now'],
    ['Explain e.g. this. Then more', null, 'Explain e.g. this.'],
    ['No. It is version 1.2.3 that fails', null, 'No. It is version 1.2.3 that fails'],
    ['The key is sk-secret in prod', null, 'The key is [redacted] in prod'],
    ['Ünïcödé is fine', null, 'Ünïcödé is fine'],
  ])('of %j and %j is %j', (given, prompt, expected) => {
    expect(title(given, prompt)).toBe(expected);
  });

  it('is cut between words at 80 characters', () => {
    const cut = title('word '.repeat(40));
    expect(cut).toBe(`${'word '.repeat(15)}word…`);
    expect(title('x'.repeat(200))).toBe(`${'x'.repeat(79)}…`);
    expect(title(`${'x'.repeat(78)}😀😀`)).toBe(`${'x'.repeat(78)}…`);
  });

  it('counts messages when nobody wrote prose', () => {
    expect(title(null, '#\n>', 7)).toBe('Untitled session (7 messages)');
    expect(title(null)).toBe('Untitled session');
  });
});

describe('a git remote', () => {
  it.each([
    ['git@github.com:SessionFS/SessionFS.git', 'sessionfs/sessionfs'],
    ['https://github.com/Acme/App', 'acme/app'],
    ['https://user:tok@gitlab.com/Grp/Sub/App.git', 'grp/sub/app'],
    ['https://host/acme/app/', 'acme/app'],
    ['https://host/acme/app.git/', 'acme/app'],
    ['ssh://git@github.com:22/acme/app.git', 'acme/app'],
    ['git://host/acme/app', 'acme/app'],
    ['ACME/App', 'acme/app'],
    [' /srv/git/App.git ', '/srv/git/app.git'],
    ['', ''],
  ])('%j is %j', (remote, expected) => {
    expect(normaliseRemote(remote)).toBe(expected);
  });
});
