import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { GitRunner } from '../runner/git-runner.js';
import { blobId, copyFromStart, delta, handMadePack, PACK_TYPE } from '../runner/testing/hand-made-pack.js';
import { DELIM_PKT, FLUSH_PKT, pktLine } from './pkt-line.js';
import { GitClient } from './testing/git-client.js';
import { TinyGitServer } from './testing/tiny-git-server.js';

const VERSIONS = ['0', '1', '2'] as const;
const ZERO = '0'.repeat(40);

let client: GitClient;
let runner: GitRunner;
let server: TinyGitServer;
let base: string;
let count = 0;

/** A bare repository on the server and a clone that has it as `origin`, with `commits` commits pushed to main. */
async function hosted(commits: number): Promise<{ repo: string; url: string; work: string; heads: string[] }> {
  count += 1;
  const repo = await client.bare(`r${count}.git`);
  const url = `${base}/r${count}.git`;
  const work = `w${count}`;
  await client.git('.', 'init', '-q', '-b', 'main', work);
  await client.git(work, 'remote', 'add', 'origin', url);
  if (commits === 0) return { repo, url, work, heads: [] };
  const contents = Array.from({ length: commits }, (_, n) => `content ${n}\n`.repeat(50));
  const heads = await client.history(work, (n) => `file-${n}.txt`, contents);
  await client.git(work, 'push', '-q', 'origin', 'main');
  return { repo, url, work, heads };
}

function quarantines(repo: string): string[] {
  return readdirSync(join(repo, 'objects')).filter((name) => name.startsWith('incoming-'));
}

async function post(url: string, service: string, body: Buffer, headers: Record<string, string> = {}): Promise<string> {
  const response = await fetch(`${url}/${service}`, { method: 'POST', body: new Uint8Array(body), headers });
  return `${response.status} ${Buffer.from(await response.arrayBuffer()).toString('latin1')}`;
}

/** A fetch request written by hand, in version 0 and version 2. */
function wantRequests(oid: string): { name: string; body: Buffer; headers: Record<string, string> }[] {
  return [
    {
      name: 'version 0',
      body: Buffer.concat([pktLine(`want ${oid} side-band-64k ofs-delta\n`), FLUSH_PKT, pktLine('done\n')]),
      headers: {},
    },
    {
      name: 'version 2',
      body: Buffer.concat([
        pktLine('command=fetch'),
        DELIM_PKT,
        pktLine(`want ${oid}\n`),
        pktLine('done\n'),
        FLUSH_PKT,
      ]),
      headers: { 'Git-Protocol': 'version=2' },
    },
  ];
}

async function expectRefused(url: string, oid: string): Promise<void> {
  for (const { body, headers } of wantRequests(oid)) {
    const answer = await post(url, 'git-upload-pack', body, headers);
    expect(answer).toContain(`ERR upload-pack: not our ref ${oid}`);
    expect(answer).not.toContain('PACK');
  }
}

beforeAll(async () => {
  client = new GitClient();
  runner = await GitRunner.start({ root: client.folder });
  server = new TinyGitServer(client.folder, runner);
  base = await server.listen();
});

afterAll(async () => {
  await server.close();
  await runner.close();
  client.remove();
});

afterEach(() => {
  server.isVisible = () => true;
});

describe.each(VERSIONS)('fetching with protocol version %s', (version) => {
  const protocol = ['-c', `protocol.version=${version}`];

  it('clones with history, tags and a clean fsck', async () => {
    const { url, work, heads } = await hosted(3);
    await client.git(work, 'tag', '-a', 'v1', '-m', 'First');
    await client.git(work, 'push', '-q', 'origin', 'v1');
    await client.git('.', ...protocol, 'clone', '-q', url, `c${count}`);
    expect(await client.git(`c${count}`, 'rev-parse', 'HEAD')).toBe(heads[2]);
    expect(await client.git(`c${count}`, 'rev-parse', 'v1^{}')).toBe(heads[2]);
    expect(await client.git(`c${count}`, 'cat-file', '-t', 'v1')).toBe('tag');
    await client.git(`c${count}`, 'fsck', '--strict');
  });

  it('clones an empty repository and pushes into it', async () => {
    const { url } = await hosted(0);
    await client.git('.', ...protocol, 'clone', '-q', url, `c${count}`);
    // Only version 2 can tell a client the name of a branch that does not exist yet.
    const branch = version === '2' ? 'main' : 'master';
    expect(await client.git(`c${count}`, 'symbolic-ref', 'HEAD')).toBe(`refs/heads/${branch}`);
    const head = await client.commit(`c${count}`, 'a', '1');
    await client.git(`c${count}`, ...protocol, 'push', '-q', 'origin', 'HEAD:main');
    expect(await client.git('.', 'ls-remote', url, 'refs/heads/main')).toContain(head);
  });

  it('fetches what was pushed after a long common history', async () => {
    const { url, work } = await hosted(40);
    await client.git('.', ...protocol, 'clone', '-q', url, `c${count}`);
    await client.commit(`c${count}`, 'local', 'not pushed');
    const head = await client.commit(work, 'later', '1');
    await client.git(work, 'push', '-q', 'origin', 'main');
    await client.git(`c${count}`, ...protocol, 'pull', '-q', '--no-rebase', '--no-edit');
    await client.git(`c${count}`, 'merge-base', '--is-ancestor', head, 'HEAD');
  });

  it('clones shallow, deepens and unshallows', async () => {
    const { url } = await hosted(6);
    const clone = `c${count}`;
    const commits = (): Promise<string> => client.git(clone, 'rev-list', '--count', 'HEAD');
    await client.git('.', ...protocol, 'clone', '-q', '--depth', '1', url, clone);
    expect(await commits()).toBe('1');
    await client.git(clone, ...protocol, 'fetch', '-q', '--depth', '3');
    expect(await commits()).toBe('3');
    await client.git(clone, ...protocol, 'fetch', '-q', '--deepen', '1');
    expect(await commits()).toBe('4');
    await client.git(clone, ...protocol, 'fetch', '-q', '--unshallow');
    expect(await commits()).toBe('6');
    await client.git(clone, 'fsck', '--strict');
  });

  it('clones without blobs and fetches them when they are needed', async () => {
    const { url } = await hosted(3);
    const clone = `c${count}`;
    await client.git('.', ...protocol, 'clone', '-q', '--no-checkout', '--filter=blob:none', url, clone);
    const missing = await client.git(clone, 'rev-list', '--objects', '--missing=print', 'HEAD');
    expect(missing.match(/^\?/gm)).toHaveLength(3);
    await client.git(clone, ...protocol, 'checkout', '-q', 'main');
    expect(await client.git(clone, 'cat-file', 'blob', 'HEAD:file-1.txt')).toContain('content 1');
  });

  it('clones the refs when the default branch does not exist', async () => {
    const { url, work } = await hosted(1);
    await client.git(work, 'push', '-q', 'origin', 'main:other');
    await client.git(client.path(`r${count}.git`), 'symbolic-ref', 'HEAD', 'refs/heads/absent');
    await client.git('.', ...protocol, 'clone', '-q', url, `c${count}`);
    expect(await client.git(`c${count}`, 'branch', '-r')).toContain('origin/other');
    await client.git(work, ...protocol, 'push', '-q', 'origin', 'main:third');
  });

  it('fetches a reachable commit by its id and refuses one that was force-pushed away', async () => {
    const { url, work, heads } = await hosted(2);
    const secret = await client.commit(work, 'secret', 'hidden');
    await client.git(work, 'push', '-q', 'origin', 'main');
    await client.git(work, 'reset', '-q', '--hard', heads[1] ?? '');
    await client.git(work, 'push', '-q', '--force', 'origin', 'main');
    await client.git('.', 'init', '-q', `c${count}`);
    await client.git(`c${count}`, ...protocol, 'fetch', '-q', url, heads[0] ?? '');
    const refused = await client.attempt(`c${count}`, [...protocol, 'fetch', url, secret]);
    expect(refused.code).not.toBe(0);
    expect(refused.output).toContain('not our ref');
  });
});

describe('wants', () => {
  it('refuses unreachable commits, trees and blobs and the objects of other callers refs in every version', async () => {
    const { url, work, heads } = await hosted(2);
    const hiddenCommit = await client.commit(work, 'hidden', 'hidden content');
    const hiddenBlob = await client.git(work, 'rev-parse', 'HEAD:hidden');
    const hiddenTree = await client.git(work, 'rev-parse', 'HEAD^{tree}');
    const visibleBlob = await client.git(work, 'rev-parse', 'HEAD~1:file-0.txt');
    await client.git(work, 'push', '-q', 'origin', 'HEAD:refs/heads/hidden');
    server.isVisible = (ref) => ref !== 'refs/heads/hidden';
    for (const oid of [hiddenCommit, hiddenBlob, hiddenTree, visibleBlob, 'f'.repeat(40)])
      await expectRefused(url, oid);
    server.isVisible = () => true;
    await client.git(work, 'push', '-q', 'origin', ':hidden');
    for (const oid of [hiddenCommit, hiddenBlob, hiddenTree]) await expectRefused(url, oid);
    for (const oid of [visibleBlob, heads[0] ?? '']) {
      for (const { body, headers } of wantRequests(oid)) {
        expect(await post(url, 'git-upload-pack', body, headers)).toContain('PACK');
      }
    }
  });

  it('passes a tag object by its id as long as a ref leads to it', async () => {
    const { url, work } = await hosted(1);
    await client.git(work, 'tag', '-a', 'inner', '-m', 'Inner');
    await client.git(work, 'tag', '-a', 'outer', '-m', 'Outer', 'inner');
    const inner = await client.git(work, 'rev-parse', 'inner');
    await client.git(work, 'push', '-q', 'origin', 'outer');
    const [first] = wantRequests(inner);
    expect(await post(url, 'git-upload-pack', first?.body ?? FLUSH_PKT)).toContain('PACK');
    await client.git(work, 'push', '-q', 'origin', ':outer');
    await expectRefused(url, inner);
  });

  it('answers a request without wants and refuses one that is too large', async () => {
    const { url } = await hosted(1);
    expect(await post(url, 'git-upload-pack', FLUSH_PKT)).toBe('200 0008NAK\n0000');
    const flood = Buffer.alloc(33 * 1024 * 1024, pktLine(`have ${'a'.repeat(40)}\n`));
    const wanted = Buffer.concat([pktLine(`want ${'a'.repeat(40)}\n`), FLUSH_PKT, flood]);
    expect(await post(url, 'git-upload-pack', wanted)).toBe('413 Request body too large');
  });
});

describe('pushing', () => {
  it('creates, updates, forces and deletes branches and tags', async () => {
    const { url, work, heads } = await hosted(2);
    const refs = async (): Promise<string> => client.git('.', 'ls-remote', url);
    await client.git(work, 'tag', '-a', 'v1', '-m', 'One');
    await client.git(work, 'push', '-q', 'origin', 'main:feature/a', 'v1');
    expect(await refs()).toContain('refs/heads/feature/a');
    expect(await refs()).toContain(`${heads[1]}\trefs/tags/v1^{}`);
    await client.git(work, 'push', '-q', '--force', 'origin', `${heads[0]}:refs/heads/feature/a`);
    expect(await refs()).toContain(`${heads[0]}\trefs/heads/feature/a`);
    await client.git(work, 'push', '-q', 'origin', ':feature/a', ':v1');
    expect(await refs()).not.toContain('feature/a');
    await client.git(client.path(`r${count}.git`), 'fsck', '--strict');
  });

  it('accepts some refs of a push and all or none of an atomic one', async () => {
    const { url, work } = await hosted(1);
    await client.commit(work, 'more', '1');
    const refused = 'HEAD:refs/notes/commits';
    const atomic = await client.attempt(work, ['push', '--atomic', 'origin', 'HEAD:refs/heads/good', refused]);
    expect(atomic.output).toContain('atomic push failed');
    expect(await client.git('.', 'ls-remote', url)).not.toContain('refs/heads/good');
    const partial = await client.attempt(work, ['push', 'origin', 'HEAD:refs/heads/good', refused]);
    expect(partial.output).toContain('invalid ref name');
    expect(await client.git('.', 'ls-remote', url)).toContain('refs/heads/good');
    expect(await client.git('.', 'ls-remote', url)).not.toContain('refs/notes');
  });

  it('refuses a stale old id and the deletion of the default branch', async () => {
    const { url, work, heads } = await hosted(2);
    const stale = pktLine(`${heads[0]} ${ZERO} refs/heads/main\0report-status`);
    expect(await post(url, 'git-receive-pack', Buffer.concat([stale, FLUSH_PKT]))).toContain(
      'ng refs/heads/main deletion of the default branch prohibited',
    );
    await client.git(work, 'push', '-q', 'origin', 'main:other');
    const other = pktLine(`${heads[0]} ${ZERO} refs/heads/other\0report-status`);
    expect(await post(url, 'git-receive-pack', Buffer.concat([other, FLUSH_PKT]))).toContain(
      'ng refs/heads/other concurrent update, retry push',
    );
  });

  it('refuses a tree that holds .git and leaves nothing behind', async () => {
    const { repo, work } = await hosted(1);
    const blob = client.binary(work, ['hash-object', '-w', '--stdin'], 'x').toString().trim();
    const inner = client.binary(work, ['mktree'], `100644 blob ${blob}\tconfig\n`).toString().trim();
    const tree = client.binary(work, ['mktree'], `040000 tree ${inner}\t.git\n`).toString().trim();
    const commit = client.binary(work, ['commit-tree', tree, '-m', 'Bad']).toString().trim();
    const pushed = await client.attempt(work, ['push', 'origin', `${commit}:refs/heads/bad`]);
    expect(pushed.code).not.toBe(0);
    expect(pushed.output).toMatch(/hasDotgit/);
    expect(quarantines(repo)).toEqual([]);
    expect((await client.attempt(repo, ['cat-file', '-t', blob])).code).not.toBe(0);
  });

  it('refuses a branch that points to a blob', async () => {
    const { work } = await hosted(1);
    const blob = await client.git(work, 'rev-parse', 'HEAD:file-0.txt');
    const tagged = await client.attempt(work, ['push', 'origin', `${blob}:refs/tags/blob`]);
    expect(tagged.code).toBe(0);
    const body = Buffer.concat([
      pktLine(`${ZERO} ${blob} refs/heads/blob\0report-status`),
      FLUSH_PKT,
      client.binary(work, ['pack-objects', '--stdout', '-q']),
    ]);
    expect(await post(`${base}/r${count}.git`, 'git-receive-pack', body)).toContain('ng refs/heads/blob invalid SHA');
  });

  it('refuses refs to objects that exist but that no visible ref leads to', async () => {
    const { url, work, repo, heads } = await hosted(2);
    const hidden = await client.commit(work, 'hidden', 'hidden '.repeat(100));
    await client.git(work, 'push', '-q', 'origin', 'HEAD:refs/heads/hidden');
    await client.git(work, 'push', '-q', 'origin', ':hidden');
    const create = (oid: string, pack: Buffer): Buffer =>
      Buffer.concat([pktLine(`${ZERO} ${oid} refs/heads/stolen\0report-status`), FLUSH_PKT, pack]);
    const empty = client.binary(work, ['pack-objects', '--stdout', '-q']);
    const missing = 'ng refs/heads/stolen missing necessary objects';
    expect(await post(url, 'git-receive-pack', create(hidden, empty))).toContain(missing);

    // A new commit around the hidden tree, and one whose pack is thin on a hidden blob, prove nothing either.
    const tree = await client.git(work, 'rev-parse', `${hidden}^{tree}`);
    const parent = heads[1] ?? '';
    const around = client.binary(work, ['commit-tree', tree, '-p', parent, '-m', 'Around']).toString().trim();
    const alone = client.binary(work, ['pack-objects', '--stdout', '-q'], `${around}\n`);
    expect(await post(url, 'git-receive-pack', create(around, alone))).toContain(missing);
    await client.git(work, 'reset', '-q', '--hard', hidden);
    const thin = await client.commit(work, 'hidden', `${'hidden '.repeat(100)}and more`);
    const revisions = `${thin}\n^${hidden}\n`;
    const pack = client.binary(work, ['pack-objects', '--revs', '--thin', '--stdout', '-q'], revisions);
    expect(await post(url, 'git-receive-pack', create(thin, pack))).toContain(missing);
    expect(quarantines(repo)).toEqual([]);
  });

  it('refuses a delta that makes a hidden object out of itself', async () => {
    const { url, work, repo } = await hosted(1);
    const content = Buffer.from('secret '.repeat(100));
    await client.commit(work, 'secret', content.toString());
    const tree = await client.git(work, 'rev-parse', 'HEAD^{tree}');
    await client.git(work, 'push', '-q', 'origin', 'HEAD:refs/heads/hidden');
    await client.git(work, 'push', '-q', 'origin', ':hidden');
    const commit = client.binary(work, ['commit-tree', tree, '-m', 'Around']).toString().trim();
    const objects = (['tree', 'commit'] as const).map((type) => {
      const data = client.binary(work, ['cat-file', type, type === 'tree' ? tree : commit]);
      return { type: PACK_TYPE[type], size: data.length, data };
    });
    const self = delta(content.length, content.length, copyFromStart(content.length));
    const base = Buffer.from(blobId(content), 'hex');
    const pack = handMadePack([...objects, { type: PACK_TYPE.refDelta, size: self.length, base, data: self }]);
    const body = Buffer.concat([pktLine(`${ZERO} ${commit} refs/heads/x\0report-status`), FLUSH_PKT, pack]);
    expect(await post(url, 'git-receive-pack', body)).toContain('ng refs/heads/x ');
    expect(quarantines(repo)).toEqual([]);
  });

  it('accepts a thin pack on visible objects and an old content that comes back', async () => {
    const { url, work } = await hosted(3);
    await client.commit(work, 'file-0.txt', 'changed\n'.repeat(50));
    await client.git(work, 'push', '-q', 'origin', 'main');
    const head = await client.commit(work, 'file-0.txt', 'content 0\n'.repeat(50));
    await client.git(work, 'push', '-q', 'origin', 'main');
    expect(await client.git('.', 'ls-remote', url, 'main')).toContain(head);
  });

  it('answers 413 to a pack that is too large', async () => {
    const { work, repo } = await hosted(1);
    server.maxPushBytes = 1024 * 1024;
    const noise = Array.from({ length: 300_000 }, (_, n) => Math.sin(n).toString(36)).join('\n');
    await client.commit(work, 'noise', noise);
    const pushed = await client.attempt(work, ['push', 'origin', 'main']);
    server.maxPushBytes = 32 * 1024 * 1024;
    expect(pushed.output).toContain('413');
    expect(quarantines(repo)).toEqual([]);
  });
});
