import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { SpoolFolder } from '../archive/testing/archives.js';
import { PassThread } from './pass-thread.js';

/** A worker that counts bytes; it dies of a block `die`, breaks on `bug` and never ends with `hang`. */
const STUB = `
import { parentPort } from 'node:worker_threads';
const sums = new Map();
parentPort.on('message', (message) => {
  const { id } = message;
  if (message.pass) sums.set(id, 0);
  if (message.block) {
    const text = Buffer.from(message.block).toString();
    if (text === 'die') process.exit(3);
    if (text === 'hang') for (;;);
    if (text === 'bug') return parentPort.postMessage({ id, crash: 'TypeError: x' });
    sums.set(id, sums.get(id) + text.length);
    parentPort.postMessage({ id, taken: true });
  }
  if (message.ended) parentPort.postMessage({ id, result: sums.get(id) });
});
`;

async function* blocks(...texts: readonly string[]): AsyncGenerator<Buffer> {
  for (const text of texts) {
    await pause(1);
    yield Buffer.from(text);
  }
}

describe('the thread that reads conversations', () => {
  let spools: SpoolFolder;
  let thread: PassThread;
  const crashes: string[] = [];
  const run = (...texts: readonly string[]): Promise<unknown> => thread.run('audit.survey', null, blocks(...texts));

  beforeAll(async () => {
    spools = await SpoolFolder.create();
    const entry = join(spools.path, 'stub.mjs');
    writeFileSync(entry, STUB);
    thread = new PassThread({ entry, patienceMs: 500, onCrash: (reason) => crashes.push(reason) });
  });
  afterAll(async () => {
    await thread.close();
    await spools.remove();
  });

  it('runs several passes at once, each to its own result', async () => {
    expect(await Promise.all([run('a', 'bb'), run(), run('ccc', 'ccc', 'ccc')])).toEqual([3, 0, 9]);
    expect(thread.load).toBe(0);
  });

  it('fails a pass on which the worker breaks, and no other', async () => {
    const results = await Promise.allSettled([run('a', 'bug', 'a'), run('a', 'a', 'a', 'a')]);
    expect(results).toMatchObject([{ reason: { code: 'internal' } }, { value: 4 }]);
    expect(crashes.at(-1)).toContain('TypeError');
  });

  it('fails a pass whose conversation cannot be read, and goes on', async () => {
    async function* broken(): AsyncGenerator<Buffer> {
      yield Buffer.from('a');
      await pause(1);
      throw new Error('no such blob');
    }
    await expect(thread.run('audit.survey', null, broken())).rejects.toThrow('no such blob');
    expect(await run('a')).toBe(1);
  });

  it('ends a worker that hangs: its pass is to blame, the others may be tried again', async () => {
    const others = Array.from({ length: 300 }, () => 'a');
    const results = await Promise.allSettled([run(...others), run('a', 'hang', 'a')]);
    expect(results).toMatchObject([
      { reason: { code: 'unavailable' } },
      { reason: { code: 'unprocessable', reason: 'too_complex' } },
    ]);
    expect(await run('a')).toBe(1);
  });

  it('starts another worker after one died', async () => {
    await expect(run('die')).rejects.toMatchObject({ code: 'unavailable' });
    expect(await run('again')).toBe(5);
  });
});
