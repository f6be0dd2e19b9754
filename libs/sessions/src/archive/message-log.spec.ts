import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import type { BlobRange } from '#platform';
import { type LoggedMessage, MessageLogReader, type OpenLog } from './message-log-reader.js';
import { type MessageIndex, MessageLogWriter } from './message-log.js';
import { SpoolFolder } from './testing/archives.js';

const ROUNDS = Number(process.env['ROUNDS'] ?? 40);
const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000);

interface Sample {
  readonly json: string;
  readonly isShown: boolean;
}

let spools: SpoolFolder;
beforeAll(async () => {
  spools = await SpoolFolder.create();
});
afterAll(() => spools.remove());

async function written(samples: readonly Sample[]): Promise<{ index: MessageIndex; bytes: Buffer }> {
  const writer = await MessageLogWriter.create(spools.path);
  for (const [i, { json, isShown }] of samples.entries()) await writer.add(Buffer.from(json), 2 * i + 1, isShown);
  const { log, index } = await writer.finish();
  return { index, bytes: log === null ? Buffer.alloc(0) : await readFile(log.path) };
}

/** A log whose fetched ranges are noted. */
function readerOf({ index, bytes }: { index: MessageIndex; bytes: Buffer }, fetched: BlobRange[] = []) {
  const open: OpenLog = async (range) => {
    fetched.push(range);
    return Readable.from([bytes.subarray(range.start, range.end)]);
  };
  return new MessageLogReader(index, open);
}

async function texts(messages: AsyncIterable<LoggedMessage>): Promise<string[]> {
  const found: string[] = [];
  for await (const { json } of messages) found.push(json.toString());
  return found;
}

const sample = (i: number, length = 0): Sample => ({
  json: JSON.stringify({ i, text: 'é'.repeat(length) }),
  isShown: i % 3 !== 0,
});

describe('the message log', () => {
  it('gives back every message in order with its line', async () => {
    const samples = Array.from({ length: 1_300 }, (_, i) => sample(i));
    const log = readerOf(await written(samples));
    const found: LoggedMessage[] = [];
    for await (const message of log.all()) found.push(message);
    expect(found.map(({ line }) => line)).toEqual(samples.map((_, i) => 2 * i + 1));
    expect(found.map(({ json }) => json.toString())).toEqual(samples.map(({ json }) => json));
    expect(found.map(({ isShown }) => isShown)).toEqual(samples.map(({ isShown }) => isShown));
    expect([log.count, log.shownCount]).toEqual([1_300, samples.filter(({ isShown }) => isShown).length]);
  });

  it('leaves no file when there was no message', async () => {
    const before = await spools.files();
    const { index } = await written([]);
    expect(index.blocks).toEqual([]);
    expect(await spools.files()).toEqual(before);
    expect(await texts(readerOf(await written([])).page(0, 10))).toEqual([]);
  });

  it('reads a page from the blocks that hold it and no others', async () => {
    // 4 KB each that does not compress away: some thirty messages to a block.
    const noise = (i: number) =>
      Array.from({ length: 250 }, (_, k) => Math.imul(i * 251 + k, 2_654_435_761) >>> 0).join();
    const samples = Array.from({ length: 2_000 }, (_, i) => ({ json: JSON.stringify(noise(i)), isShown: true }));
    const log = await written(samples);
    for (const order of ['oldest', 'newest'] as const) {
      const fetched: BlobRange[] = [];
      const found = await texts(readerOf(log, fetched).page(1_000, 50, order));
      expect(found).toHaveLength(50);
      const bytes = fetched.reduce((sum, { start, end }) => sum + end - start, 0);
      expect(bytes).toBeLessThan(log.bytes.length / 15);
      expect(fetched).toHaveLength(1);
    }
  });

  it('keeps its index small: one entry for each 128 KB or 512 messages', async () => {
    const { index } = await written(Array.from({ length: 5_120 }, (_, i) => sample(i)));
    expect(index.blocks).toHaveLength(10);
    const large = await written(Array.from({ length: 10 }, (_, i) => sample(i, 70_000)));
    expect(large.index.blocks).toHaveLength(10);
  });

  it('pages as the plain list does, in both orders and beyond the ends', async () => {
    const samples = fc.array(
      fc.record({ json: fc.json({ maxDepth: 1 }).map((json) => json.replaceAll('\n', '')), isShown: fc.boolean() }),
      { maxLength: 80 },
    );
    const repeat = fc.integer({ min: 1, max: 30 });
    const at = fc.integer({ min: 0, max: 2_500 });
    await fc.assert(
      fc.asyncProperty(samples, repeat, at, fc.integer({ min: 1, max: 100 }), async (some, times, offset, limit) => {
        const all = Array.from({ length: times }, () => some).flat();
        const reader = readerOf(await written(all));
        const shown = all.filter(({ isShown }) => isShown).map(({ json }) => json);
        expect(await texts(reader.page(offset, limit))).toEqual(shown.slice(offset, offset + limit));
        expect(await texts(reader.page(offset, limit, 'newest'))).toEqual(
          shown.toReversed().slice(offset, offset + limit),
        );
      }),
      { numRuns: ROUNDS, seed: SEED },
    );
  });
});
