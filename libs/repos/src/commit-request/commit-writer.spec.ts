import { randomBytes } from 'node:crypto';
import { DomainError } from '#kernel';
import { StorePool } from '../store/store-pool.js';
import { CommitWriter } from './commit-writer.js';
import { CommitBench, LIMITS, NOW } from './testing/commit-bench.js';

let bench: CommitBench;
let pool: StorePool;
let writer: CommitWriter;

beforeEach(() => {
  bench = new CommitBench();
  pool = new StorePool({ workers: 2, onCrash: () => undefined });
  writer = new CommitWriter(pool);
});
afterEach(async () => {
  await pool.close();
  bench.close();
});

const encoded = (members: object) => Buffer.from(JSON.stringify({ branch: 'main', message: 'm', ...members }));
const adding = (path: string, content = path) => encoded({ changes: [{ path, content }] });

describe('commits through the workers', () => {
  it('are prepared, written as a group and forgotten when discarded', async () => {
    const prepared = await Promise.all(['a', 'b'].map((path) => writer.prepare(bench.dir, adding(path), LIMITS)));
    expect(prepared[0]).toEqual({
      handle: prepared[0]?.handle,
      branch: 'main',
      parentSha: null,
      lazyEdits: 0,
      changeCount: 1,
      bytes: adding('a').length,
    });
    const handles = prepared.map(({ handle }) => handle);
    const { results, head } = await writer.write(bench.dir, null, handles, NOW);
    expect(results.map(({ handle, ok }) => [handle, ok])).toEqual(handles.map((handle) => [handle, true]));
    expect(bench.files(head?.commit ?? '')).toEqual(['100644 a=a', '100644 b=b']);
    bench.fsck();

    const again = await writer.write(bench.dir, head, handles.slice(0, 1), NOW);
    expect(again.results[0]).toMatchObject({ ok: true, parent: head?.commit });
    if (prepared[0]) writer.discard(bench.dir, prepared[0]);
    await writer.prepare(bench.dir, adding('c'), LIMITS);
    const lost = await writer.write(bench.dir, head, handles, NOW);
    expect(lost.results).toMatchObject([{ ok: false, error: { code: 'unavailable' } }, { ok: true }]);
  });

  it('arrive whole from small shared buffers and from large ones, which are given away', async () => {
    const small = adding('small', 'x');
    await writer.prepare(bench.dir, small, LIMITS);
    expect(small.length).toBeGreaterThan(0);
    const content = randomBytes(3_000_000).toString('base64');
    const large = encoded({ changes: [{ path: 'large', content, encoding: 'base64' }] });
    const { handle, bytes } = await writer.prepare(bench.dir, large, LIMITS);
    expect([large.length, bytes > 4_000_000]).toEqual([0, true]);
    const { head } = await writer.write(bench.dir, null, [handle], NOW);
    expect(bench.git('cat-file', '-s', `${head?.commit}:large`).trim()).toBe('3000000');
  });

  it('are forgotten at once when they are large, else a moment later', async () => {
    const large = await writer.prepare(bench.dir, adding('large', 'x'.repeat(100_000)), LIMITS);
    const small = await writer.prepare(bench.dir, adding('small'), LIMITS);
    const isHeld = async (handle: string): Promise<boolean> =>
      (await writer.write(bench.dir, null, [handle], NOW)).results[0]?.ok ?? false;
    writer.discard(bench.dir, large);
    expect(await isHeld(large.handle)).toBe(false);
    writer.discard(bench.dir, small);
    while (await isHeld(small.handle)) await new Promise((resolve) => setTimeout(resolve, 50));
  });

  it('that are invalid are refused with the domain error of the worker', async () => {
    const refusal = writer.prepare(bench.dir, Buffer.from('null'), LIMITS);
    await expect(refusal).rejects.toBeInstanceOf(DomainError);
    await expect(refusal).rejects.toMatchObject({ code: 'invalid_input', message: 'Invalid JSON body' });
    const tooLarge = writer.prepare(bench.dir, adding('a', 'xyz'), { maxFileBytes: 2 });
    await expect(tooLarge).rejects.toMatchObject({
      code: 'payload_too_large',
      details: { limit_bytes: 2, actual_bytes: 3, path: 'a' },
    });
  });

  it('are lost with the worker that held them', async () => {
    const { handle } = await writer.prepare(bench.dir, adding('a'), LIMITS);
    const restarted = new StorePool({ workers: 2 });
    const { results } = await new CommitWriter(restarted).write(bench.dir, null, [handle], NOW);
    await restarted.close();
    expect(results).toMatchObject([
      { handle, ok: false, error: { code: 'unavailable', message: 'Commit was interrupted. Retry.' } },
    ]);
  });

  it('of unknown handles or repositories are refused', async () => {
    const { results, packBytes } = await writer.write(bench.dir, null, ['nothing'], NOW);
    expect(results).toMatchObject([{ handle: 'nothing', ok: false, error: { code: 'unavailable' } }]);
    expect(packBytes).toBe(0);
    await expect(writer.write(`${bench.dir}-gone`, null, [], NOW)).rejects.toMatchObject({ code: 'not_found' });
  });
});
