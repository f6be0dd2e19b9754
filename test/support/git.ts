import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Database } from '../../libs/platform/src/index.js';
import { GitClient } from '../../libs/repos/src/smart-http/testing/git-client.js';
import { createRepo, type TestAccount } from './client.js';
import type { TestServer } from './server.js';

export const ZERO = '0'.repeat(40);
export const PROTOCOLS = ['0', '1', '2'] as const;

let count = 0;

/** A repository on the test server, seen from both sides: by git over HTTP, and on the server's disk. */
export interface HostedRepo {
  readonly slug: string;
  /** With the owner's key as the password. */
  readonly url: string;
  /** Without any credential. */
  readonly openUrl: string;
  readonly directory: string;
  readonly id: string;
}

/** The git URL of a repository, with `key` as the password unless it is null. */
export function gitUrl(server: Pick<TestServer, 'url'>, account: string, path: string, key: string | null): string {
  const url = new URL(`${server.url}/${account}/${path}.git`);
  if (key !== null) Object.assign(url, { username: 'git', password: key });
  return url.href;
}

/** Creates a repository for `owner`; empty unless `init` says otherwise. */
export async function hostRepo(
  server: TestServer,
  owner: TestAccount,
  more: { namespace?: string; init?: boolean; visibility?: 'public' | 'private' } = {},
): Promise<HostedRepo> {
  count += 1;
  const slug = await createRepo(owner, `repo-${count}`, { init: false, ...more });
  const path = more.namespace === undefined ? slug : `${more.namespace}/${slug}`;
  const [row] = await server.app
    .get(Database)
    .query<{ id: string; storage: string }>('select id, storage_id as storage from repo where slug = $1', [slug]);
  if (!row) throw new Error(`${slug} has no row`);
  const { id, storage } = row;
  return {
    slug,
    id,
    url: gitUrl(server, owner.slug, path, owner.key),
    openUrl: gitUrl(server, owner.slug, path, null),
    directory: join(server.dataDir, 'repos', storage.slice(0, 2), storage.slice(2, 4), `${storage}.git`),
  };
}

/** The refs of the table, as `name sha`. */
export async function refsOf(server: TestServer, repo: HostedRepo): Promise<string[]> {
  const rows = await server.app
    .get(Database)
    .query<{ name: string; sha: string }>('select name, sha from ref where repo_id = $1 order by name', [repo.id]);
  return rows.map(({ name, sha }) => `${name} ${sha}`);
}

/** Everything below `objects/`: what a refused push must not change. */
export function objectFiles(repo: HostedRepo): string[] {
  const files = readdirSync(join(repo.directory, 'objects'), { recursive: true, encoding: 'utf8' });
  return files.toSorted();
}

/** A working copy in `client` with `repo` as its origin and nothing in it. */
export async function emptyWorkTree(client: GitClient, repo: HostedRepo): Promise<string> {
  count += 1;
  const work = `work-${count}`;
  await client.git('.', 'init', '-q', '-b', 'main', work);
  await client.git(work, 'remote', 'add', 'origin', repo.url);
  return work;
}

/** Clones `url` into a new folder of `client` and answers its name. */
export async function clone(client: GitClient, url: string, ...options: string[]): Promise<string> {
  count += 1;
  const folder = `clone-${count}`;
  await client.git('.', 'clone', '-q', ...options, url, folder);
  return folder;
}

/** Throws unless git finds the repository on the server and a fresh clone of it whole. */
export async function expectSound(client: GitClient, repo: HostedRepo): Promise<void> {
  await client.git(repo.directory, 'fsck', '--strict', '--no-dangling');
  const folder = await clone(client, repo.url, '--mirror');
  await client.git(folder, 'fsck', '--strict', '--no-dangling');
}

export { GitClient };
