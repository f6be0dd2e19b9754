import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Connectivity, ConnectivityVerdict, TipFacts } from '#repos';
import type { Call, Operation } from '../operation.js';
import { PackIndex } from '../pack-index.js';
import { objectKinds, unreachableObjects, type ObjectSource } from '../reachability.js';

const WALK_SECONDS = 600;
const BORROWED_SECONDS = 30;
/** A client leaves out only what it knows the server to have, which is next to nothing beyond the visible tips. */
const MOST_BORROWED = 200_000;

/**
 * Proves that everything the new tips lead to is either in the pushed pack or reachable from refs the pusher may see.
 * Mere existence in the repository is not enough: a ref could be pointed at, or a delta built on, an object that is
 * hidden from the pusher or was force-pushed away.
 */
export const connectivity: Operation<'connectivity'> = {
  name: 'connectivity',
  kind: 'accessor',
  lane: 'query',
  body: 'params',
  params: (read) => ({
    repo: read.repo(),
    quarantine: read.quarantine(),
    sentObjects: read.count('sentObjects'),
    newTips: read.oids('newTips'),
    visibleTips: read.oids('visibleTips'),
  }),
  async run(call) {
    const { repo, quarantine, newTips } = call.params;
    if (newTips.length === 0) return { connected: true, reason: null, tips: [] };
    const folder = quarantine === null ? undefined : join(repo, 'objects', quarantine);
    const source = { repo, quarantine: folder };
    const indexes = folder === undefined ? [] : await readIndexes(folder, call.params.sentObjects);
    const borrowed = new Set<string>();
    for (const index of indexes) for (const oid of index.appended()) borrowed.add(oid);
    const visit = (oid: string): boolean => {
      if (!indexes.some((index) => index.wasSent(oid))) borrowed.add(oid);
      return borrowed.size <= MOST_BORROWED;
    };
    if (!(await isComplete(call, source, visit))) return refused('missing necessary objects');
    const hidden = await unreachableObjects(
      call,
      { repo },
      { oids: borrowed, tips: call.params.visibleTips, kinds: 'all', seconds: BORROWED_SECONDS },
    );
    if (hidden.size > 0) return refused('missing necessary objects');
    return { connected: true, reason: null, tips: await describe(call, source, newTips) };
  },
};

function refused(reason: string): ConnectivityVerdict {
  return { connected: false, reason, tips: [] };
}

async function readIndexes(folder: string, sentObjects: number): Promise<PackIndex[]> {
  const files = await readdir(join(folder, 'pack'));
  const found = files.filter((file) => file.endsWith('.idx'));
  return Promise.all(found.map((file) => PackIndex.read(join(folder, 'pack', file), sentObjects)));
}

/** Walks from the new tips to the visible ones; false when an object is missing or `visit` has seen enough. */
async function isComplete(
  call: Call<Connectivity>,
  source: ObjectSource,
  visit: (oid: string) => boolean,
): Promise<boolean> {
  const child = call.git(
    { ...source, args: ['rev-list', '--objects', '--no-object-names', '--stdin'] },
    { seconds: WALK_SECONDS },
  );
  const { newTips, visibleTips } = call.params;
  child.stdin.end([...newTips, ...visibleTips.map((tip) => `^${tip}`)].map((line) => `${line}\n`).join(''));
  const exit = await child.eachLine(visit);
  return exit.code === 0;
}

async function describe(call: Call<unknown>, source: ObjectSource, tips: readonly string[]): Promise<TipFacts[]> {
  const kinds = await objectKinds(call, source, [...tips, ...tips.map((tip) => `${tip}^{}`)]);
  return tips.map((sha) => {
    const type = kinds.get(sha)?.kind ?? 'blob';
    return { sha, type, peeled: type === 'tag' ? (kinds.get(`${sha}^{}`)?.sha ?? null) : null };
  });
}
