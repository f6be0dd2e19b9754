import { Readable } from 'node:stream';
import fc from 'fast-check';
import { ZERO_OID } from './git-protocol.js';
import { FLUSH_PKT, parsePkts, pktLine } from './pkt-line.js';
import { checkPushCommands, compareWithCurrent, refuseTogether } from './push-commands.js';
import { readPushRequest, type PushCapabilities } from './receive-pack-request.js';
import { pushMessage, pushReport } from './report-status.js';
import { property, refusal, ROUNDS, SEED, spelled } from './testing/wire-checks.js';

const A = 'a'.repeat(40);
const B = 'b'.repeat(40);
const C = 'c'.repeat(40);

beforeAll(() => console.log(`SEED=${SEED} ROUNDS=${ROUNDS}`));

describe('push requests', () => {
  const body = (...parts: Buffer[]): Readable => Readable.from([Buffer.concat(parts)], { objectMode: false });
  const command = (text: string): Buffer => pktLine(text);

  it('give up their commands and leave the pack in the stream', () =>
    property(fc.tuple(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 1, max: 40 })), async ([pack, piece]) => {
      const wire = Buffer.concat([
        command(`${ZERO_OID} ${A} refs/heads/x\0 report-status side-band-64k atomic agent=git/2\n`),
        command(`${A} ${ZERO_OID} refs/heads/y`),
        FLUSH_PKT,
        Buffer.from(pack),
      ]);
      const chunks = Array.from({ length: Math.ceil(wire.length / piece) }, (_, n) =>
        wire.subarray(n * piece, (n + 1) * piece),
      );
      const push = await readPushRequest(Readable.from(chunks, { objectMode: false }));
      expect(push.commands).toEqual([
        { oldSha: ZERO_OID, newSha: A, ref: 'refs/heads/x' },
        { oldSha: A, newSha: ZERO_OID, ref: 'refs/heads/y' },
      ]);
      expect(push.capabilities).toEqual({
        reportStatus: true,
        sideBand64k: true,
        atomic: true,
        quiet: false,
        agent: 'git/2',
      });
      expect(Buffer.concat((await push.pack.toArray()) as Buffer[]).equals(Buffer.from(pack))).toBe(true);
    }));

  it.each([
    `push-cert\0 report-status`,
    `${ZERO_OID} ${A} refs/heads/x\0 object-format=sha256`,
    `${ZERO_OID} ${A} refs/heads/x\0 push-options`,
    `${ZERO_OID} ${A}`,
    `${ZERO_OID} zzz refs/heads/x`,
    `${ZERO_OID} ${A} refs/heads/${'x'.repeat(5000)}`,
  ])('are refused when they begin %j', async (first) => {
    expect(await refusal(() => readPushRequest(body(command(first), FLUSH_PKT)))).toBe('invalid_input');
  });

  it('may be empty, and may not be endless', async () => {
    expect((await readPushRequest(body(FLUSH_PKT))).commands).toEqual([]);
    const many = Array.from({ length: 10_001 }, (_, n) => command(`${ZERO_OID} ${A} refs/heads/b${n}`));
    expect(await refusal(() => readPushRequest(body(...many, FLUSH_PKT)))).toBe('invalid_input');
  });
});

describe('push commands', () => {
  const check = (oldSha: string, newSha: string, ref: string): string | null =>
    checkPushCommands([{ oldSha, newSha, ref }], { defaultBranch: 'refs/heads/main' })[0]?.refusal ?? null;

  it('are refused by name, by id and for the default branch', () => {
    expect(check(ZERO_OID, A, 'refs/heads/x')).toBeNull();
    expect(check(A, ZERO_OID, 'refs/tags/v1')).toBeNull();
    for (const ref of [
      'HEAD',
      'refs/notes/x',
      'refs/heads/',
      'refs/heads/a..b',
      'refs/heads/x.lock',
      'refs/heads/-x',
    ]) {
      expect(check(ZERO_OID, A, ref)).toBe('invalid ref name');
    }
    expect(check(ZERO_OID, ZERO_OID, 'refs/heads/x')).toBe('invalid SHA');
    expect(check(A, ZERO_OID, 'refs/heads/main')).toBe('deletion of the default branch prohibited');
  });

  it('may name a ref once', () => {
    const twice = [ZERO_OID, B].map((oldSha) => ({ oldSha, newSha: A, ref: 'refs/heads/x' }));
    const checked = checkPushCommands(twice, { defaultBranch: 'refs/heads/main' });
    expect(checked.map((one) => one.refusal)).toEqual(['multiple updates of one ref', 'multiple updates of one ref']);
  });

  it('must know the present id of their ref', () => {
    expect(compareWithCurrent({ oldSha: A, newSha: B, ref: 'refs/heads/x' }, A)).toBeNull();
    expect(compareWithCurrent({ oldSha: ZERO_OID, newSha: B, ref: 'refs/heads/x' }, null)).toBeNull();
    for (const [oldSha, current] of [
      [A, B],
      [ZERO_OID, A],
      [A, null],
    ] as const) {
      const command = { oldSha, newSha: C, ref: 'refs/heads/x' };
      expect(compareWithCurrent(command, current)).toBe('concurrent update, retry push');
    }
  });

  it('fall together when they are atomic', () => {
    const commands = ['refs/heads/x', 'HEAD'].map((ref) => ({ oldSha: ZERO_OID, newSha: A, ref }));
    const checked = refuseTogether(checkPushCommands(commands, { defaultBranch: 'refs/heads/main' }));
    expect(checked.map((one) => one.refusal)).toEqual(['atomic push failed', 'invalid ref name']);
  });
});

describe('the push report', () => {
  const plain: PushCapabilities = { reportStatus: true, sideBand64k: false, atomic: false, quiet: false, agent: null };
  const report = {
    unpackError: null,
    refs: [
      { ref: 'refs/heads/x', refusal: null },
      { ref: 'refs/heads/y', refusal: 'bad\nok refs/heads/z' },
    ],
  };
  const lines = ['unpack ok', 'ok refs/heads/x', 'ng refs/heads/y bad ok refs/heads/z', '[flush]'];

  it('is one line per ref and cannot be forged by a reason', () => {
    expect(spelled(pushReport(report, plain))).toEqual(lines);
    expect(spelled(pushReport({ ...report, unpackError: 'early EOF' }, plain))[0]).toBe('unpack early EOF');
    expect(pushReport(report, { ...plain, reportStatus: false })).toHaveLength(0);
  });

  it('travels in band 1 when the client asked for side bands, in as many packets as it takes', () => {
    const refs = Array.from({ length: 4000 }, (_, n) => ({ ref: `refs/heads/${n}`, refusal: 'no' }));
    const pkts = parsePkts(pushReport({ unpackError: null, refs }, { ...plain, sideBand64k: true }));
    expect(pkts.at(-1)).toEqual({ type: 'flush' });
    const bands = pkts.slice(0, -1).map((pkt) => (pkt.type === 'data' ? pkt.data : Buffer.alloc(0)));
    expect(bands.length).toBeGreaterThan(1);
    expect(bands.every((band) => band[0] === 1)).toBe(true);
    expect(spelled(Buffer.concat(bands.map((band) => band.subarray(1))))).toHaveLength(4002);
  });

  it('may be preceded by a message unless the client is quiet', () => {
    const [pkt] = parsePkts(pushMessage('hello\n', { ...plain, sideBand64k: true }));
    expect(pkt?.type === 'data' && pkt.data.toString()).toBe('\x02hello\n');
    expect(pushMessage('hello\n', { ...plain, sideBand64k: true, quiet: true })).toHaveLength(0);
  });
});
