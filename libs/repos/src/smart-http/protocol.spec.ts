import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { DomainError } from '#kernel';
import { advertiseRefs, advertiseV2 } from './advertisement.js';
import { protocolVersion, ZERO_OID, type RefListing } from './git-protocol.js';
import { lsRefs, parseLsRefs } from './ls-refs.js';
import { DELIM_PKT, FLUSH_PKT, MAX_PKT_DATA, parsePkts, pktLine, PktReader } from './pkt-line.js';
import { readPushRequest } from './receive-pack-request.js';
import { property, refusal, ROUNDS, SEED, spelled } from './testing/wire-checks.js';
import { parseUploadPackRequest, readUploadPackRequest } from './upload-pack-request.js';

const A = 'a'.repeat(40);
const B = 'b'.repeat(40);
const C = 'c'.repeat(40);
const LISTING: RefListing = {
  refs: [
    { name: 'refs/heads/dev', sha: B, peeled: null },
    { name: 'refs/heads/main', sha: A, peeled: null },
    { name: 'refs/tags/v1', sha: C, peeled: A },
  ],
  defaultBranch: 'refs/heads/main',
};
const EMPTY: RefListing = { refs: [], defaultBranch: 'refs/heads/main' };

/** Bytes that are nearly right: lines of the grammar, rubbish, and damage to either. */
const line = fc.oneof(
  fc
    .constantFrom(
      `want ${A}`,
      `want ${B} side-band-64k thin-pack agent=x`,
      `want ${A}x`,
      `have ${B}`,
      `shallow ${C}`,
      'deepen 1',
      'deepen -1',
      'deepen-not main',
      'filter blob:none',
      'filter sparse:oid=HEAD',
      'done',
      'command=fetch',
      'command=ls-refs',
      'ref-prefix refs/heads/',
      'object-format=sha1',
      'object-format=sha256',
      `${ZERO_OID} ${A} refs/heads/x\0report-status atomic`,
      `push-cert\0`,
    )
    .map((text) => pktLine(text)),
  fc.constantFrom(FLUSH_PKT, DELIM_PKT, Buffer.from('0002'), Buffer.from('0003'), Buffer.from('fff1')),
  fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
  fc.uint8Array({ maxLength: 60 }).map((bytes) => pktLine(Buffer.from(bytes))),
);
const message = fc.array(line, { maxLength: 12 }).map((parts) => Buffer.concat(parts));

beforeAll(() => console.log(`SEED=${SEED} ROUNDS=${ROUNDS}`));

describe('packet lines', () => {
  it('come back as they were written, in whatever pieces they arrive', () =>
    property(
      fc.tuple(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 8 }), fc.integer({ min: 1, max: 50 })),
      ([payloads, piece]) => {
        const wire = Buffer.concat([...payloads.map((payload) => pktLine(Buffer.from(payload))), FLUSH_PKT]);
        const reader = new PktReader();
        const seen: string[] = [];
        for (let at = 0; at < wire.length; at += piece) {
          reader.push(wire.subarray(at, at + piece));
          for (let pkt = reader.next(); pkt; pkt = reader.next()) {
            seen.push(pkt.type === 'data' ? pkt.data.toString('hex') : pkt.type);
          }
        }
        expect(seen).toEqual([...payloads.map((payload) => Buffer.from(payload).toString('hex')), 'flush']);
        expect(reader.rest()).toHaveLength(0);
      },
    ));

  it.each(['0003', 'fff1', '00g1', '-001', '+004', ' 004', '0x04'])('refuse the length %s', (length) => {
    expect(() => parsePkts(Buffer.from(`${length}aaaa`))).toThrow(DomainError);
  });

  it('hold 65,516 bytes and not one more', () => {
    expect(pktLine(Buffer.alloc(MAX_PKT_DATA)).toString('latin1', 0, 4)).toBe('fff0');
    expect(() => pktLine(Buffer.alloc(MAX_PKT_DATA + 1))).toThrow(RangeError);
    expect(parsePkts(pktLine(Buffer.alloc(MAX_PKT_DATA)))).toHaveLength(1);
  });
});

describe('requests made of anything', () => {
  it('never make a fetch parser throw anything but a DomainError', () =>
    property(fc.tuple(message, fc.constantFrom(0, 1, 2)), async ([bytes, version]) => {
      const whole = await refusal(() => parseUploadPackRequest(bytes, version as 0 | 1 | 2));
      const pieces = Readable.from(bytes.length > 0 ? [bytes.subarray(0, 9), bytes.subarray(9)] : [], {
        objectMode: false,
      });
      expect(await refusal(() => readUploadPackRequest(pieces, { version: version as 0 | 1 | 2 }))).toBe(whole);
    }));

  it('never make the push parser throw anything but a DomainError', () =>
    property(message, async (bytes) => {
      const body = Readable.from(bytes.length > 0 ? [bytes] : [], { objectMode: false });
      expect(['accepted', 'invalid_input']).toContain(await refusal(() => readPushRequest(body)));
    }));

  it('reach git only as lines of the grammar, with exactly the wants that were reported', () =>
    property(fc.tuple(message, fc.constantFrom(0, 2), fc.boolean()), ([bytes, version, limited]) => {
      let parsed;
      try {
        parsed = parseUploadPackRequest(bytes, version as 0 | 2);
      } catch {
        return;
      }
      if (parsed.kind !== 'fetch') return;
      const lines = spelled(parsed.request.toGit({ limited }));
      const wanted = lines.flatMap((text) => /^want ([0-9a-f]{40})( [\x21-\x7e ]+)?$/.exec(text)?.[1] ?? []);
      expect(wanted).toEqual(parsed.request.wants);
      const grammar =
        /^(\[(flush|delim)\]|want .*|(have|shallow) [0-9a-f]{40}|deepen.*|filter .*|[a-z-]+|(command|agent|object-format)=.*)$/;
      for (const text of lines) expect(text).toMatch(grammar);
      if (limited) expect(lines.join('\n')).not.toMatch(/thin-pack|include-tag/);
    }));
});

describe('fetch requests', () => {
  const v2 = (...args: string[]): Buffer =>
    Buffer.concat([
      pktLine('command=fetch'),
      pktLine('agent=git/2'),
      DELIM_PKT,
      ...args.map((arg) => pktLine(arg)),
      FLUSH_PKT,
    ]);

  it('are rebuilt for git line by line', () => {
    const parsed = parseUploadPackRequest(
      v2('thin-pack', `want ${A}\n`, `want ${A}`, `have ${B}`, 'deepen 3', 'done'),
      2,
    );
    if (parsed.kind !== 'fetch') throw new Error(parsed.kind);
    expect(parsed.request.wants).toEqual([A]);
    const head = ['command=fetch', 'agent=git/2', 'object-format=sha1', '[delim]', `want ${A}`];
    const tail = [`have ${B}`, 'deepen 3', 'done', '[flush]'];
    expect(spelled(parsed.request.toGit({ limited: false }))).toEqual([...head, 'thin-pack', ...tail]);
    expect(spelled(parsed.request.toGit({ limited: true }))).toEqual([...head, ...tail]);
  });

  it('keep the rounds of version 0 and drop capabilities nobody knows', () => {
    const wants = [pktLine(`want ${A} multi_ack include-tag evil=1 agent=git/2\n`), pktLine(`want ${B}\n`)];
    const rounds = [pktLine(`have ${C}\n`), FLUSH_PKT, pktLine(`have ${B}\n`), pktLine('done\n')];
    const parsed = parseUploadPackRequest(Buffer.concat([...wants, pktLine('deepen 1'), FLUSH_PKT, ...rounds]), 0);
    if (parsed.kind !== 'fetch') throw new Error(parsed.kind);
    expect(spelled(parsed.request.toGit({ limited: false }))).toEqual(
      [`want ${A} multi_ack include-tag agent=git/2`, `want ${B}`, 'deepen 1', '[flush]'].concat([
        `have ${C}`,
        '[flush]',
        `have ${B}`,
        'done',
      ]),
    );
  });

  const refused = [
    'want-ref refs/heads/main',
    `want ${A.toUpperCase()}`,
    `want ${A} `,
    'filter sparse:oid=HEAD:x',
    'filter combine:blob:none+sparse%3Aoid=HEAD',
    'deepen 0',
    'packfile-uris https',
    'deepen-not --all',
  ];
  it.each(refused)('are refused with %s', async (argument) => {
    expect(await refusal(() => parseUploadPackRequest(v2(`want ${A}`, argument), 2))).toBe('invalid_input');
  });

  it.each(['blob:none', 'blob:limit=10k', 'tree:0', 'object:type=blob', 'combine:blob:none+tree:3'])(
    'may filter by %s',
    (filter) => expect(parseUploadPackRequest(v2(`want ${A}`, `filter ${filter}`), 2).kind).toBe('fetch'),
  );

  it('may come compressed, but not inflate beyond the limit', async () => {
    const zipped = (bytes: Buffer): Readable => Readable.from([gzipSync(bytes)], { objectMode: false });
    const good = await readUploadPackRequest(zipped(v2(`want ${A}`, 'done')), { version: 2, encoding: 'gzip' });
    expect(good.kind).toBe('fetch');
    const bomb = zipped(Buffer.alloc(40 * 1024 * 1024, '0004'));
    await expect(readUploadPackRequest(bomb, { version: 0, encoding: 'gzip' })).rejects.toBeInstanceOf(DomainError);
    const large = readUploadPackRequest(zipped(v2(`want ${A}`)), { version: 2, encoding: 'gzip', limit: 50 });
    await expect(large).rejects.toMatchObject({ code: 'payload_too_large', message: 'Request body too large' });
    const rubbish = Readable.from([Buffer.from('not gzip')], { objectMode: false });
    await expect(readUploadPackRequest(rubbish, { version: 2, encoding: 'gzip' })).rejects.toMatchObject({
      code: 'invalid_input',
    });
  });

  it('without wants or command ask nothing', () => {
    expect(parseUploadPackRequest(FLUSH_PKT, 0).kind).toBe('empty');
    expect(parseUploadPackRequest(FLUSH_PKT, 2).kind).toBe('empty');
    expect(parseUploadPackRequest(v2(), 2).kind).toBe('empty');
  });
});

describe('the advertisement', () => {
  it('lists HEAD first, then the refs with their peeled tags, and names what HEAD stands for', () => {
    const [service, flush, head = '', ...rest] = spelled(advertiseRefs('git-upload-pack', 0, LISTING));
    expect([service, flush]).toEqual(['# service=git-upload-pack', '[flush]']);
    expect(head).toMatch(new RegExp(`^${A} HEAD\0.* symref=HEAD:refs/heads/main object-format=sha1 agent=roundhouse$`));
    expect(rest).toEqual([
      `${B} refs/heads/dev`,
      `${A} refs/heads/main`,
      `${C} refs/tags/v1`,
      `${A} refs/tags/v1^{}`,
      '[flush]',
    ]);
    expect(spelled(advertiseRefs('git-upload-pack', 1, LISTING))[2]).toBe('version 1');
  });

  it('carries the capabilities for an empty repository and for a missing default branch', () => {
    for (const service of ['git-upload-pack', 'git-receive-pack'] as const) {
      expect(spelled(advertiseRefs(service, 0, EMPTY))[2]).toMatch(
        new RegExp(`^${ZERO_OID} capabilities\\^\\{\\}\0.+`),
      );
      const lost = { ...LISTING, defaultBranch: 'refs/heads/absent' };
      const first = spelled(advertiseRefs(service, 0, lost))[2] ?? '';
      expect(first).toMatch(new RegExp(`^${B} refs/heads/dev\0.*ofs-delta`));
      expect(first).not.toContain('symref');
    }
  });

  it('offers nothing but refs to push to', () => {
    const lines = spelled(advertiseRefs('git-receive-pack', 0, LISTING)).join('\n');
    expect(lines).toContain('report-status delete-refs side-band-64k quiet atomic ofs-delta');
    expect(lines).not.toMatch(/HEAD|\^\{\}/);
  });

  it('is the same for every repository in version 2', () => {
    expect(spelled(advertiseV2())).toEqual([
      'version 2',
      'agent=roundhouse',
      'ls-refs=unborn',
      'fetch=shallow wait-for-done filter',
      'object-format=sha1',
      '[flush]',
    ]);
  });

  it.each([
    [undefined, 0],
    ['version=2', 2],
    ['version=1', 1],
    ['version=1:version=2', 2],
    ['version=9', 0],
    ['version=2\nx', 0],
    ['x'.repeat(65), 0],
  ])('takes the Git-Protocol header %j for version %i', (header, version) => {
    expect(protocolVersion(header)).toBe(version);
  });
});

describe('ls-refs', () => {
  const reply = (args: string[], listing = LISTING): string[] => spelled(lsRefs(parseLsRefs(args), listing));

  it('peels, names symrefs and keeps to the prefixes', () => {
    expect(reply([])).toEqual([
      `${A} HEAD`,
      `${B} refs/heads/dev`,
      `${A} refs/heads/main`,
      `${C} refs/tags/v1`,
      '[flush]',
    ]);
    expect(reply(['peel', 'ref-prefix refs/tags/'])).toEqual([`${C} refs/tags/v1 peeled:${A}`, '[flush]']);
    expect(reply(['symrefs', 'ref-prefix HEAD'])).toEqual([`${A} HEAD symref-target:refs/heads/main`, '[flush]']);
  });

  it('tells the name of an unborn HEAD only to those who ask for it', () => {
    expect(reply(['symrefs', 'unborn'], EMPTY)).toEqual(['unborn HEAD symref-target:refs/heads/main', '[flush]']);
    expect(reply(['symrefs'], EMPTY)).toEqual(['[flush]']);
  });

  it('refuses other arguments', () => expect(() => parseLsRefs(['peel', 'evil'])).toThrow(DomainError));
});
