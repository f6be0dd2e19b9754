import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Database } from '../../libs/platform/src/index.js';
import { RefProjector } from '../../libs/repos/src/ref-projector.js';
import { RepoStorage } from '../../libs/repos/src/repo-storage.js';
import type { Client } from './client.js';
import type { TestServer } from './server.js';

const run = promisify(execFile);

/** A repository as the server keeps it. */
export interface StoredRepo {
  readonly id: string;
  readonly directory: string;
}

/** What stands behind the repository at `path` (`slug` or `namespace/slug`) of the client's account; refs projected. */
export async function storedRepo(server: TestServer, client: Client, path: string): Promise<StoredRepo> {
  const { id } = (await client.get(`/v1/repos/${path}`)).body as { id: string };
  const [row] = await server.app
    .get(Database)
    .query<{ storageId: string }>('select storage_id as "storageId" from repo where id = $1', [id]);
  await server.app.get(RefProjector).catchUp(id);
  return { id, directory: server.app.get(RepoStorage).directoryOf(row!) };
}

/** Runs git in the repository and answers its output. */
export async function git(repo: StoredRepo, ...args: string[]): Promise<string> {
  return (await run('git', ['-C', repo.directory, ...args], { maxBuffer: 1 << 28 })).stdout.trim();
}

/** Refs as the table has them, `name sha` in order. */
export async function tableRefs(server: TestServer, repo: StoredRepo): Promise<string[]> {
  const rows = await server.app
    .get(Database)
    .query<{ line: string }>(`select name || ' ' || sha as line from ref where repo_id = $1 order by name`, [repo.id]);
  return rows.map(({ line }) => line);
}

/** Packs on disk. */
export function packCount(repo: StoredRepo): number {
  return readdirSync(join(repo.directory, 'objects/pack')).filter((name) => name.endsWith('.pack')).length;
}

/** Throws unless git finds the repository sound, and its refs on disk are those of the table. */
export async function expectSound(server: TestServer, repo: StoredRepo): Promise<void> {
  await server.app.get(RefProjector).catchUp(repo.id);
  await git(repo, 'fsck', '--strict', '--no-dangling');
  const onDisk = await git(repo, 'for-each-ref', '--format=%(refname) %(objectname)');
  expect(onDisk.split('\n').filter(Boolean)).toEqual(await tableRefs(server, repo));
}

/** Returns once nothing is at `path` any more. */
export async function vanishing(path: string): Promise<void> {
  while (existsSync(path)) await setTimeout(10);
}
