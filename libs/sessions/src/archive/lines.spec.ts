import fc from 'fast-check';
import { Lines } from './lines.js';

const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000);

async function linesOf(text: Buffer, chunkBytes: number, maxBytes = 1_000): Promise<[string | null, number][]> {
  const found: [string | null, number][] = [];
  const lines = new Lines(maxBytes, (line, number) => void found.push([line?.toString() ?? null, number]));
  for (let at = 0; at < text.length; at += chunkBytes) await lines.push(text.subarray(at, at + chunkBytes));
  await lines.end();
  return found;
}

describe('Lines', () => {
  it('gives out lines with their numbers, without ends, blanks around them and a byte order mark', async () => {
    const text = Buffer.from('\ufeffa\r\n\n \t\r\n  b \nc');
    for (const chunkBytes of [1, 2, 100]) {
      expect(await linesOf(text, chunkBytes)).toEqual([
        ['a', 1],
        ['b', 4],
        ['c', 5],
      ]);
    }
  });

  it('gives null for what is too long, also for the last line, and goes on', async () => {
    const text = Buffer.from(`${'x'.repeat(11)}\n${'y'.repeat(10)}\n${'z'.repeat(5_000)}`);
    for (const chunkBytes of [1, 7, 10_000]) {
      expect(await linesOf(text, chunkBytes, 10)).toEqual([
        [null, 1],
        ['y'.repeat(10), 2],
        [null, 3],
      ]);
    }
  });

  it('waits for whoever takes a line', async () => {
    const order: string[] = [];
    const lines = new Lines(10, async (_, number) => {
      order.push(`take ${number}`);
      await new Promise((resolve) => setTimeout(resolve, 1));
      order.push(`taken ${number}`);
    });
    await lines.push(Buffer.from('a\nb\n'));
    expect(order).toEqual(['take 1', 'taken 1', 'take 2', 'taken 2']);
  });

  it('finds the same lines in any chunks', async () => {
    const text = fc.array(fc.constantFrom('\n', '\r', ' ', 'é', 'x'), { maxLength: 60 }).map((parts) => parts.join(''));
    await fc.assert(
      fc.asyncProperty(text, fc.integer({ min: 1, max: 9 }), async (value, chunkBytes) => {
        const expected = value
          .split('\n')
          .map((part, i): [string, number] => [part.replace(/^[ \r]+|[ \r]+$/g, ''), i + 1])
          .filter(([part]) => part !== '');
        expect(await linesOf(Buffer.from(value), chunkBytes)).toEqual(expected);
      }),
      { seed: SEED },
    );
  });
});
