import type { Operation } from '../operation.js';
import { objectKinds, unreachableCommits, unreachableObjects } from '../reachability.js';

const COMMIT_SECONDS = 10;
const OBJECT_SECONDS = 2;

/**
 * Which wants a caller may not have. Tips pass; commits and tags must be reachable from the tips; trees and blobs
 * only when `allowObjects`, and only if they are found within 2 s.
 */
export const checkWants: Operation<'check-wants'> = {
  name: 'check-wants',
  kind: 'accessor',
  lane: 'query',
  body: 'params',
  params: (read) => ({
    repo: read.repo(),
    tips: read.oids('tips'),
    wants: read.oids('wants'),
    allowObjects: read.flag('allowObjects'),
  }),
  async run(call) {
    const { repo, allowObjects } = call.params;
    const tips = [...new Set(call.params.tips)];
    const visible = new Set(tips);
    const wants = [...new Set(call.params.wants)];
    const asked = wants.filter((want) => !visible.has(want));
    if (asked.length === 0) return { refused: [] };
    const kinds = await objectKinds(call, { repo }, asked);
    const ofKind = (...wanted: string[]): string[] =>
      asked.filter((oid) => wanted.includes(kinds.get(oid)?.kind ?? 'missing'));
    const refused = new Set(ofKind('missing'));
    const commits = ofKind('commit');
    const tags = ofKind('tag');
    const objects = ofKind('tree', 'blob');
    const add = (oids: Iterable<string>): void => {
      for (const oid of oids) refused.add(oid);
    };
    if (!allowObjects) add(objects);
    if (commits.length > 0) add(await unreachableCommits(call, { repo }, { commits, tips, seconds: COMMIT_SECONDS }));
    if (tags.length > 0)
      add(await unreachableObjects(call, { repo }, { oids: tags, tips, kinds: 'tags', seconds: OBJECT_SECONDS }));
    if (allowObjects && objects.length > 0)
      add(await unreachableObjects(call, { repo }, { oids: objects, tips, kinds: 'all', seconds: OBJECT_SECONDS }));
    return { refused: wants.filter((want) => refused.has(want)) };
  },
};
