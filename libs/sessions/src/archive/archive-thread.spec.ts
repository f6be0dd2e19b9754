import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { ArchiveThread } from './archive-thread.js';
import { FREE, SpoolFolder } from './testing/archives.js';

/** A worker that takes nothing until told `go`, then everything; it dies of `die` and breaks on `bug`. */
const STUB = `
import { parentPort } from 'node:worker_threads';
let waiting = [], going = false, sum = 0;
const take = (id, bytes) => { sum += bytes; parentPort.postMessage({ id, taken: bytes }); };
parentPort.on('message', (message) => {
  const { id } = message;
  if (message.chunk) {
    const text = Buffer.from(message.chunk).toString();
    if (text === 'die') process.exit(3);
    if (text === 'bug') parentPort.postMessage({ id, crash: 'TypeError: x\\n at y' });
    if (text.startsWith('go')) { going = true; for (const bytes of waiting) take(id, bytes); }
    if (going) take(id, message.chunk.byteLength); else waiting.push(message.chunk.byteLength);
  }
  if (message.ended) parentPort.postMessage({ id, result: { received: sum } });
  if (message.aborted) parentPort.postMessage({ id, error: { code: 'bad_request', message: 'cut' } });
});
`;

describe('the thread that reads archives', () => {
  let spools: SpoolFolder;
  let thread: ArchiveThread;
  const crashes: string[] = [];

  beforeAll(async () => {
    spools = await SpoolFolder.create();
    const entry = join(spools.path, 'stub.mjs');
    writeFileSync(entry, STUB);
    thread = new ArchiveThread(entry, (reason) => crashes.push(reason));
  });
  afterAll(async () => {
    await thread.close();
    await spools.remove();
  });

  const read = (source: Readable) => thread.run('read', source, { limits: FREE, dlp: null, spoolFolder: spools.path });

  it('takes no more from the source than it may have underway', async () => {
    let produced = 0;
    const source = new Readable({
      highWaterMark: 65_536,
      read() {
        produced += 65_536;
        this.push(produced > 20 * 1_048_576 ? null : Buffer.alloc(65_536));
      },
    });
    const reading = read(source);
    let before = -1;
    // Until it has come to a standstill.
    while (before !== produced) {
      before = produced;
      await pause(100);
    }
    expect(produced).toBeLessThan(2 * 1_048_576);
    const other = new PassThrough();
    other.end('go on');
    await read(other);
    source.destroy();
    await expect(reading).rejects.toMatchObject({ code: 'bad_request', message: 'cut' });
  });

  it('fails the uploads of a thread that dies as unavailable, lets go of their sources and starts another', async () => {
    const sources = [new PassThrough(), new PassThrough()];
    const uploads = Promise.allSettled(sources.map((source) => read(source)));
    sources[1]?.write('die');
    for (const outcome of await uploads) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'unavailable' } });
    }
    expect(crashes).toEqual(['archive worker exited with code 3']);
    expect(sources.map(({ destroyed }) => destroyed)).toEqual([false, false]);
    expect(thread.load).toBe(0);
    expect(await read(Readable.from([Buffer.from('go')]))).toEqual({ received: 2 });
  });

  it('answers internal for a bug and reports its stack', async () => {
    await expect(read(Readable.from([Buffer.from('bug')]))).rejects.toMatchObject({ code: 'internal' });
    expect(crashes.at(-1)).toBe('TypeError: x\n at y');
  });
});
