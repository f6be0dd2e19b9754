import { DomainError } from '#kernel';
import type { Operation } from '../operation.js';
import { assertWentWell } from '../git-words.js';

const SECONDS = 30;
const UNKNOWN_COMMIT = 128;

/** Whether one commit is reachable from another (or is the same). @throws not_found for an unknown commit */
export const isAncestor: Operation<'is-ancestor'> = {
  name: 'is-ancestor',
  kind: 'accessor',
  lane: 'query',
  body: 'params',
  params: (read) => ({ repo: read.repo(), ancestor: read.oid('ancestor'), descendant: read.oid('descendant') }),
  async run(call) {
    const { repo, ancestor, descendant } = call.params;
    const child = call.git({ repo, args: ['merge-base', '--is-ancestor', ancestor, descendant] }, { seconds: SECONDS });
    const { exit } = await child.collect();
    if (exit.code === UNKNOWN_COMMIT) throw new DomainError('not_found', 'Commit not found');
    if (exit.code !== 1) assertWentWell(exit, 'merge-base');
    return { isAncestor: exit.code === 0 };
  },
};
