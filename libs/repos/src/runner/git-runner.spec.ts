import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { compiledEntry, DomainError } from '#kernel';
import { GitClient } from '../smart-http/testing/git-client.js';
import { GitRunner } from './git-runner.js';
import { publishPacks, dropQuarantine, sweepQuarantines } from './quarantine.js';
import { blobId, copyFromStart, delta, handMadePack, offsetBack, PACK_TYPE } from './testing/hand-made-pack.js';
import { childrenOf, isAlive, until } from './testing/process-list.js';

const MAX = 32 * 1024 * 1024;
let client: GitClient;
let runner: GitRunner;
let repo: string;
let work: string;
let count = 0;

beforeAll(async () => {
  client = new GitClient();
  runner = await GitRunner.start({ root: client.folder });
});

afterAll(async () => {
  await runner.close();
  client.remove();
});

beforeEach(async () => {
  count += 1;
  repo = await client.bare(`r${count}.git`);
  work = `w${count}`;
  await client.git('.', 'init', '-q', '-b', 'main', work);
  await client.commit(work, 'a', '1\n');
  await client.git(work, 'push', '-q', repo, 'main');
});

function objectFolders(): string[] {
  return readdirSync(join(repo, 'objects')).filter((name) => name.startsWith('incoming-'));
}

function streamOf(pack: Buffer): Readable {
  return Readable.from([pack], { objectMode: false });
}

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'none';
  } catch (error) {
    return error instanceof DomainError ? error.code : String(error);
  }
}

/** A pack whose sender stops in the middle. */
function halfPack(): Readable {
  const half = new Readable({ read: () => undefined });
  half.push(Buffer.from('PACK\0\0\0\x02\0\0\0\x05', 'latin1'));
  return half;
}

function packOf(revisions: string): Buffer {
  return client.binary(work, ['pack-objects', '--revs', '--stdout', '-q'], revisions);
}

describe('taking packs', () => {
  const base = Buffer.alloc(1000, 'x');
  const inSmallPieces = (pack: Buffer): Readable =>
    Readable.from(
      (function* () {
        for (let at = 0; at < pack.length; at += 7) yield pack.subarray(at, at + 7);
      })(),
      {
        objectMode: false,
      },
    );

  it('quarantines a good pack, whatever pieces it arrives in, and publishes it twice over without harm', async () => {
    const head = await client.commit(work, 'b', '2\n');
    const pack = packOf(`${head}\n`);
    const indexed = await runner.indexPack({ repo, maxBytes: MAX }, inSmallPieces(pack));
    expect(indexed).toMatchObject({ objects: 5 + 1, bytes: pack.length });
    expect((await client.attempt(repo, ['cat-file', '-e', head])).code).not.toBe(0);
    const quarantine = indexed.quarantine ?? '';
    await publishPacks(repo, quarantine, indexed.packs);
    await publishPacks(repo, quarantine, indexed.packs);
    await dropQuarantine(repo, quarantine);
    await dropQuarantine(repo, quarantine);
    expect(await client.git(repo, 'cat-file', '-t', head)).toBe('commit');
    expect(objectFolders()).toEqual([]);
  });

  const bad: Record<string, () => Buffer> = {
    'no pack at all': () => Buffer.from('this is not a pack, and longer than its header would be'),
    'an empty body': () => Buffer.alloc(0),
    'a truncated pack': () => packOf('HEAD\n').subarray(0, -25),
    'a wrong checksum': () => {
      const pack = packOf('HEAD\n');
      pack.writeUInt8(pack.readUInt8(pack.length - 1) ^ 1, pack.length - 1);
      return pack;
    },
    'a tree that claims a terabyte': () => handMadePack([{ type: PACK_TYPE.tree, size: 2 ** 40, data: base }]),
    'a blob that claims a terabyte': () => handMadePack([{ type: PACK_TYPE.blob, size: 2 ** 40, data: base }]),
    'a delta that claims a terabyte': () => {
      const lie = delta(base.length, 2 ** 40, copyFromStart(1000));
      const ref = Buffer.from(blobId(base), 'hex');
      return handMadePack([
        { type: PACK_TYPE.blob, size: base.length, data: base },
        { type: PACK_TYPE.refDelta, size: lie.length, base: ref, data: lie },
      ]);
    },
    'a delta that really makes gigabytes': () => {
      const zeros = Buffer.alloc(0xffffff);
      const bomb = delta(zeros.length, zeros.length * 128, Buffer.concat(Array(128).fill(copyFromStart(zeros.length))));
      const first = handMadePack([{ type: PACK_TYPE.blob, size: zeros.length, data: zeros }]);
      const distance = offsetBack(first.length - 12 - 20);
      return handMadePack([
        { type: PACK_TYPE.blob, size: zeros.length, data: zeros },
        { type: PACK_TYPE.ofsDelta, size: bomb.length, base: distance, data: bomb },
      ]);
    },
    'a delta on a base nobody has': () => {
      const orphan = delta(10, 10, copyFromStart(10));
      return handMadePack([{ type: PACK_TYPE.refDelta, size: orphan.length, base: Buffer.alloc(20, 7), data: orphan }]);
    },
    'a tree with two entries of one name': () => {
      const entry = Buffer.concat([Buffer.from('100644 a\0'), Buffer.from(blobId(base), 'hex')]);
      const tree = Buffer.concat([entry, entry]);
      return handMadePack([
        { type: PACK_TYPE.blob, size: base.length, data: base },
        { type: PACK_TYPE.tree, size: tree.length, data: tree },
      ]);
    },
  };

  it.each(Object.keys(bad))('refuses %s, says why on one line without a path, and keeps nothing', async (name) => {
    const taken = runner.indexPack({ repo, maxBytes: MAX }, streamOf(bad[name]?.() ?? Buffer.alloc(0)));
    const error: unknown = await taken.catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'unprocessable', reason: 'bad_pack' });
    expect((error as Error).message).toMatch(/^[\x20-\x7e]{3,200}$/);
    expect((error as Error).message).not.toContain(client.folder);
    expect(objectFolders()).toEqual([]);
  });

  it('refuses a pack beyond the limit with the limit in the message', async () => {
    const noise = Buffer.from(Array.from({ length: 60_000 }, (_, n) => Math.sin(n)).join(''));
    const pack = handMadePack([{ type: PACK_TYPE.blob, size: noise.length, data: noise }]);
    const taken = runner.indexPack({ repo, maxBytes: 262_144 }, streamOf(pack));
    await expect(taken).rejects.toMatchObject({ code: 'payload_too_large', details: { limit_bytes: 262_144 } });
    expect(objectFolders()).toEqual([]);
  });

  it('sweeps only quarantines that were left alone for long enough', async () => {
    const { quarantine } = await runner.indexPack({ repo, maxBytes: MAX }, streamOf(packOf('HEAD\n')));
    expect(await sweepQuarantines(repo, 60_000, Date.now())).toBe(0);
    expect(objectFolders()).toEqual([quarantine]);
    expect(await sweepQuarantines(repo, 60_000, Date.now() + 120_000)).toBe(1);
    expect(objectFolders()).toEqual([]);
  });
});

describe('the life of the runner', () => {
  it('fails calls in flight when it is killed, and serves the next one', async () => {
    const before = runner.pid ?? 0;
    const inFlight = codeOf(runner.indexPack({ repo, maxBytes: MAX }, halfPack()));
    await until('git started', () => childrenOf(before).length === 1);
    const [git = 0] = childrenOf(before);
    process.kill(before, 'SIGKILL');
    expect(await inFlight).toBe('unavailable');
    await until('its git noticed', () => !isAlive(git));
    expect((await runner.fsck({ repo, connectivityOnly: false })).clean).toBe(true);
    expect(runner.pid).not.toBe(before);
  });

  it('kills git when the caller goes away, and removes the quarantine', async () => {
    const caller = new AbortController();
    const call = codeOf(runner.indexPack({ repo, maxBytes: MAX }, halfPack(), caller.signal));
    await until('git started', () => childrenOf(runner.pid ?? 0).length === 1);
    expect(objectFolders()).toHaveLength(1);
    caller.abort();
    expect(await call).toBe('unavailable');
    await until('git is gone', () => childrenOf(runner.pid ?? 0).length === 0);
    await until('the quarantine is gone', () => objectFolders().length === 0);
  });

  it('goes with its git children when its server is killed', async () => {
    const script = fileURLToPath(new URL('./testing/abandoned-server.mjs', import.meta.url));
    const built = compiledEntry('libs/repos/src/runner/git-runner.js');
    const server = spawn(process.execPath, [script, built, client.folder, repo], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(server.stdout, 'data')) as [Buffer];
    const orphan = Number(line.toString());
    await until('git started', () => childrenOf(orphan).length === 1);
    const [git = 0] = childrenOf(orphan);
    server.kill('SIGKILL');
    await until('the runner is gone', () => !isAlive(orphan));
    await until('git is gone', () => !isAlive(git));
  });

  it('refuses repositories outside its root, options in place of ids, and the yardsticks', async () => {
    const [sha] = [await client.git(work, 'rev-parse', 'HEAD')];
    for (const outside of [
      '/etc',
      `${client.folder}/../x.git`,
      `${client.folder}/a/../../b`,
      'r1.git',
      client.folder,
    ]) {
      expect(await codeOf(runner.countObjects({ repo: outside }))).toBe('invalid_input');
    }
    expect(await codeOf(runner.isAncestor({ repo, ancestor: '--help', descendant: sha }))).toBe('invalid_input');
    expect(await codeOf(runner.catFile({ repo }, streamOf(Buffer.alloc(0))))).toBe('not_found');
  });

  it('refuses calls after it was closed', async () => {
    const other = await GitRunner.start({ root: client.folder });
    const { pid = 0 } = other;
    await other.close();
    expect(isAlive(pid)).toBe(false);
    expect(await codeOf(other.countObjects({ repo }))).toBe('unavailable');
  });
});

describe('questions', () => {
  it('finds ancestors and merge bases, and says when a commit is unknown', async () => {
    const first = await client.git(work, 'rev-parse', 'HEAD');
    const second = await client.commit(work, 'b', '2');
    await client.git(work, 'checkout', '-q', '-b', 'side', first);
    const side = await client.commit(work, 'c', '3');
    await client.git(work, 'checkout', '-q', '--orphan', 'other');
    const alien = await client.commit(work, 'd', '4');
    await client.git(work, 'push', '-q', repo, '--all');
    expect(await runner.isAncestor({ repo, ancestor: first, descendant: second })).toBe(true);
    expect(await runner.isAncestor({ repo, ancestor: second, descendant: side })).toBe(false);
    expect(await runner.mergeBase({ repo, ancestor: second, descendant: side })).toBe(first);
    expect(await runner.mergeBase({ repo, ancestor: second, descendant: alien })).toBeNull();
    const nowhere = { repo, ancestor: 'f'.repeat(40), descendant: side };
    expect(await codeOf(runner.isAncestor(nowhere))).toBe('not_found');
    expect(await codeOf(runner.mergeBase(nowhere))).toBe('not_found');
  });

  it('names damage in a repository', async () => {
    await client.git(repo, 'update-ref', 'refs/heads/main', 'HEAD');
    const blob = await client.git(repo, 'rev-parse', 'main:a');
    client.binary(repo, ['prune-packed']);
    const { rmSync } = await import('node:fs');
    rmSync(join(repo, 'objects', blob.slice(0, 2), blob.slice(2)));
    const report = await runner.fsck({ repo, connectivityOnly: true });
    expect(report.clean).toBe(false);
    expect(report.problems.join('\n')).toContain(blob);
  });
});

describe('maintenance', () => {
  it('rolls many packs up into few with a bitmap, and keeps what no ref leads to', async () => {
    const kept = client.binary(repo, ['hash-object', '-w', '--stdin'], 'unreachable').toString().trim();
    for (let n = 0; n < 12; n += 1) {
      const head = await client.commit(work, 'a', `${n}\n`);
      const indexed = await runner.indexPack({ repo, maxBytes: MAX }, streamOf(packOf(`${head}\n^HEAD~1\n`)));
      await publishPacks(repo, indexed.quarantine ?? '', indexed.packs);
      await dropQuarantine(repo, indexed.quarantine ?? '');
      await client.git(repo, 'update-ref', 'refs/heads/main', head);
    }
    expect((await runner.countObjects({ repo })).packs).toBe(12);
    expect(await runner.maintenance({ repo, kind: 'geometric' })).toMatchObject({ bitmap: true, commitGraph: true });
    expect(await runner.countObjects({ repo })).toMatchObject({ packs: 1, loose: 0, garbage: 0 });
    expect(await runner.maintenance({ repo, kind: 'cruft' })).toMatchObject({ commitGraph: true });
    await client.commit(work, 'a', 'after');
    await client.git(work, 'push', '-q', repo, 'main');
    expect(await runner.maintenance({ repo, kind: 'geometric' })).toMatchObject({ commitGraph: true });
    const files = readdirSync(join(repo, 'objects', 'pack'));
    expect(files.filter((file) => file.endsWith('.mtimes'))).toHaveLength(1);
    expect(await client.git(repo, 'cat-file', '-t', kept)).toBe('blob');
    expect(await runner.fsck({ repo, connectivityOnly: false })).toEqual({ clean: true, problems: [] });
  });

  it.each(['maintenance.before-repack', 'maintenance.after-repack'])(
    'leaves a sound repository when it dies at %s',
    async (fault) => {
      const fragile = await GitRunner.start({ root: client.folder, fault });
      try {
        expect(await codeOf(fragile.maintenance({ repo, kind: 'geometric' }))).toBe('unavailable');
        expect(await fragile.fsck({ repo, connectivityOnly: false })).toEqual({ clean: true, problems: [] });
      } finally {
        await fragile.close();
      }
    },
  );
});

describe('the yardsticks', () => {
  it('imports commits and answers cat-file while the conversation is open', async () => {
    const bench = await GitRunner.start({ root: client.folder, bench: true });
    try {
      const stream = 'commit refs/heads/fast\ncommitter A <a@b> 1 +0000\ndata 1\nmM 100644 inline f\ndata 2\nhi\n\n';
      const output = await bench.fastImport({ repo }, Buffer.from(stream));
      await output.resume().toArray();
      const head = await client.git(repo, 'rev-parse', 'refs/heads/fast');
      const commands = new Readable({ read: () => undefined });
      const answers = await bench.catFile({ repo }, commands);
      for (const object of [head, `${head}:f`]) {
        commands.push(`info ${object}\n`);
        const [answer] = (await once(answers, 'data')) as [Buffer];
        expect(answer.toString()).toMatch(/^[0-9a-f]{40} (commit|blob) \d+\n$/);
      }
      commands.push(null);
      await once(answers, 'end');
    } finally {
      await bench.close();
    }
  });
});
