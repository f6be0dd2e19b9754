import { readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DomainError, ifAbsent } from '#kernel';
import type { CheckOut, CheckOutSource } from '#repos';
import { type GitChild, type GitExit, type GitLimits } from '../git-child.js';
import { assertWentWell, reasonFrom, saysDiskFull } from '../git-words.js';
import type { Call, Operation } from '../operation.js';

const WATCH_MS = 250;
/** What git says of the three things that the other side may want and does not get here. */
const WANTS: readonly (readonly [RegExp, string])[] = [
  [/could not read (?:Username|Password)|Authentication failed/, 'it asks for a password, and none is used here'],
  [/returned error: 30\d/, 'its server points elsewhere, and is not followed there'],
  [/(?:SSL|server) certificate/, "its server's certificate is not trusted here"],
];
const SHORT: GitLimits = { seconds: 60, outputBytes: 1_048_576 };
const HEADS = 'refs/heads/';

/**
 * A working tree with a repository of its own in an empty directory: a copy of what the branches and tags of `source`
 * lead to. Nothing of it is shared with the source, and no way back there is left but an address. What is begun and fails
 * is the caller's to remove.
 */
export const checkOut: Operation<'check-out'> = {
  name: 'check-out',
  kind: 'accessor',
  lane: 'pack',
  body: 'params',
  params: (read) => read.checkOut(),
  async run(call) {
    const work = new WorkingTree(call);
    const { source, branch, newBranch } = call.params;
    const head = source ? await work.headOf(source) : null;
    const base = branch ?? head ?? 'main';
    await work.init(newBranch ?? base);
    if (source) await work.fetch(source);
    const commit = source && (await work.tipOf(base));
    if (commit === null && branch !== null && source !== null && newBranch === null)
      throw new DomainError('unprocessable', `Remote branch ${branch} not found`, { reason: 'branch_not_found' });
    if (commit !== null) await work.checkOut(base, newBranch, head);
    return { branch: newBranch ?? base, commit };
  },
};

class WorkingTree {
  private readonly repo: string;

  constructor(private readonly call: Call<CheckOut>) {
    this.repo = join(call.params.target, '.git');
  }

  /** The default branch; null when the source does not say. */
  async headOf(source: CheckOutSource): Promise<string | null> {
    const seconds = Math.min(SHORT.seconds, this.call.params.seconds);
    const args = ['ls-remote', '--symref', '--', addressOf(source), 'HEAD'];
    const { exit, output } = await this.git(args, { ...SHORT, seconds }, source);
    this.assertFetched(exit);
    return /^ref: refs\/heads\/(\S+)\tHEAD$/m.exec(output)?.[1] ?? null;
  }

  async init(branch: string): Promise<void> {
    await this.must(['init', '-q', '--template=', `--initial-branch=${branch}`]);
    const { origin, author } = this.call.params;
    await this.must(['config', '--', 'user.name', author.name]);
    await this.must(['config', '--', 'user.email', author.email]);
    if (origin === null) return;
    await this.must(['config', 'remote.origin.url', origin]);
    await this.must(['config', 'remote.origin.fetch', '+refs/heads/*:refs/remotes/origin/*']);
  }

  async fetch(source: CheckOutSource): Promise<void> {
    if (source.kind === 'hosted') return this.copy(source.repo);
    const refs = ['+refs/heads/*:refs/remotes/origin/*', '+refs/tags/*:refs/tags/*'];
    const child = this.start(
      ['fetch', '-q', '--no-tags', '--no-write-fetch-head', '--no-auto-maintenance', '--', source.url, ...refs],
      this.long(),
      source,
    );
    this.assertFetched(await this.watched(child));
  }

  /**
   * What the branches and tags of a repository here lead to, and nothing else it holds, as one pack that is written as it
   * is read: its objects are copied with their checksums looked at, not unpacked and hashed once more.
   */
  private async copy(repo: string): Promise<void> {
    const refs = await this.refsOf(repo);
    if (refs.length === 0) return;
    const alternates = join(this.repo, 'objects', 'info', 'alternates');
    await writeFile(alternates, `${join(repo, 'objects')}\n`);
    try {
      const pack = join(this.repo, 'objects', 'pack', 'pack');
      const how = ['-q', '--revs', '--delta-base-offset', '--use-bitmap-index', '--window=0', pack];
      const child = this.start(['pack-objects', ...how], this.long(), null, refs.map(({ oid }) => `${oid}\n`).join(''));
      this.assertFetched(await this.watched(child));
    } finally {
      await rm(alternates);
    }
    const made = refs.map(({ oid, name }) => `create ${nameHere(name)} ${oid}\n`);
    const { exit } = await this.start(['update-ref', '--stdin'], this.long(), null, made.join('')).collect();
    assertWentWell(exit, 'update-ref');
  }

  private async refsOf(repo: string): Promise<{ readonly oid: string; readonly name: string }[]> {
    const args = ['for-each-ref', '--format=%(objectname) %(refname)', HEADS, 'refs/tags/'];
    const child = this.call.git({ repo, args }, { seconds: SHORT.seconds, outputBytes: 67_108_864 });
    child.stdin.end();
    const { exit, output } = await child.collect();
    this.assertFetched(exit);
    const lines = output.split('\n').filter((line) => line !== '');
    return lines.map((line) => ({ oid: line.slice(0, line.indexOf(' ')), name: line.slice(line.indexOf(' ') + 1) }));
  }

  /** Runs until it has ended or brought more than it may. */
  private async watched(child: GitChild): Promise<GitExit> {
    const watch = setInterval(
      () => void this.watch(child).catch((error: unknown) => child.fail(unwatched(error))),
      WATCH_MS,
    );
    try {
      return (await child.collect()).exit;
    } finally {
      clearInterval(watch);
    }
  }

  /** Null when the source has no such branch. */
  async tipOf(name: string): Promise<string | null> {
    const { exit, output } = await this.git(
      ['rev-parse', '-q', '--verify', `refs/remotes/origin/${name}^{commit}`],
      SHORT,
    );
    return exit.code === 0 ? output.trim() : null;
  }

  async checkOut(base: string, newBranch: string | null, head: string | null): Promise<void> {
    const start = `refs/remotes/origin/${base}`;
    await this.assertFits(start);
    if (head !== null && (await this.tipOf(head)) !== null)
      await this.must(['symbolic-ref', 'refs/remotes/origin/HEAD', `refs/remotes/origin/${head}`]);
    const how = newBranch === null ? ['--track', '-B', base] : ['--no-track', '-B', newBranch];
    await this.must(['checkout', '-q', ...how, start], this.long());
  }

  /** A tree may be many times what it takes to describe it: it is measured before it is written. */
  private async assertFits(commit: string): Promise<void> {
    const { maxBytes, maxFiles } = this.call.params;
    let [bytes, files] = [0, 0];
    const child = this.start(['ls-tree', '-r', '-l', commit], { seconds: this.call.params.seconds });
    const exit = await child.eachLine((line) => {
      bytes += Number(/^\S+ \S+ \S+ +(\d+)\t/.exec(line)?.[1] ?? 0);
      files += 1;
      return bytes <= maxBytes && files <= maxFiles;
    });
    if (bytes > maxBytes || files > maxFiles) throw tooLarge(maxBytes);
    assertWentWell(exit, 'ls-tree');
  }

  private long(): GitLimits {
    return { seconds: this.call.params.seconds, outputBytes: 1_048_576 };
  }

  private async watch(child: GitChild): Promise<void> {
    const packs = join(this.repo, 'objects', 'pack');
    let bytes = 0;
    for (const name of await readdir(packs).catch(ifAbsent<string[]>([])))
      bytes += await stat(join(packs, name)).then(({ size }) => size, ifAbsent(0));
    if (bytes > this.call.params.maxBytes) child.fail(tooLarge(this.call.params.maxBytes));
  }

  /** What cannot be fetched is the source's or the network's fault, and worth its words. */
  private assertFetched(exit: GitExit): void {
    if (exit.code === 0) return;
    if (saysDiskFull(exit.stderr)) throw new DomainError('unavailable', 'No space left', { reason: 'disk_full' });
    throw new DomainError('upstream_failed', `The repository could not be fetched: ${this.reasonFrom(exit)}`);
  }

  private reasonFrom({ stderr }: GitExit): string {
    const [, wanted] = WANTS.find(([said]) => said.test(stderr)) ?? [];
    if (wanted !== undefined) return wanted;
    const { target, source } = this.call.params;
    const told = reasonFrom(stderr, target);
    return source?.kind === 'hosted' ? told.replaceAll(source.repo, '') : told;
  }

  private async must(args: readonly string[], limits: GitLimits = SHORT): Promise<void> {
    const { exit } = await this.git(args, limits);
    if (saysDiskFull(exit.stderr)) throw new DomainError('unavailable', 'No space left', { reason: 'disk_full' });
    assertWentWell(exit, args[0] ?? '');
  }

  private git(
    args: readonly string[],
    limits: GitLimits,
    source: CheckOutSource | null = null,
  ): Promise<{ exit: GitExit; output: string }> {
    return this.start(args, limits, source).collect();
  }

  private start(
    args: readonly string[],
    limits: GitLimits,
    source: CheckOutSource | null = null,
    input?: string,
  ): GitChild {
    const folder = this.call.params.target;
    const child = this.call.git(
      { repo: this.repo, folder, args, config: configFor(source, this.call.caFile), allocationLimit: '1g' },
      limits,
    );
    child.stdin.end(input);
    return child;
  }
}

function nameHere(name: string): string {
  return name.startsWith(HEADS) ? `refs/remotes/origin/${name.slice(HEADS.length)}` : name;
}

function addressOf(source: CheckOutSource): string {
  return source.kind === 'hosted' ? source.repo : source.url;
}

/** One protocol at a time; over the network only to the addresses that were looked at, wherever the other side points. */
function configFor(source: CheckOutSource | null, caFile: string | null): Record<string, string> {
  const always = {
    'fetch.unpackLimit': '1',
    'core.symlinks': 'true',
    // Repositories of others may be older than the rules; ours were looked at when they were pushed.
    'transfer.fsckObjects': 'false',
  };
  if (source === null) return always;
  if (source.kind === 'hosted') return { ...always, 'protocol.file.allow': 'always' };
  const { hostname, port } = new URL(source.url);
  const addresses = source.addresses.map((address) => (address.includes(':') ? `[${address}]` : address));
  return {
    ...always,
    'protocol.https.allow': 'always',
    'http.followRedirects': 'false',
    'http.curloptResolve': `${hostname}:${port || '443'}:${addresses.join(',')}`,
    'http.lowSpeedLimit': '1000',
    'http.lowSpeedTime': '60',
    'credential.helper': '',
    ...(caFile !== null && { 'http.sslCAInfo': caFile }),
  };
}

function unwatched(cause: unknown): DomainError {
  return new DomainError('internal', 'The size of what is fetched is not known', { cause });
}

function tooLarge(maxBytes: number): DomainError {
  return new DomainError('payload_too_large', `The repository is larger than ${Math.floor(maxBytes / 1_048_576)} MB`, {
    details: { limit_bytes: maxBytes },
  });
}
