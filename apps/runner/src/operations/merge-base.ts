import { DomainError } from '#kernel';
import type { Operation } from '../operation.js';
import { assertWentWell } from '../git-words.js';

const SECONDS = 30;
const UNKNOWN_COMMIT = 128;

/** The best common ancestor of two commits, or null for unrelated histories. @throws not_found for an unknown commit */
export const mergeBase: Operation<'merge-base'> = {
  name: 'merge-base',
  kind: 'accessor',
  lane: 'query',
  body: 'params',
  params: (read) => ({ repo: read.repo(), ancestor: read.oid('ancestor'), descendant: read.oid('descendant') }),
  async run(call) {
    const { repo, ancestor, descendant } = call.params;
    const child = call.git({ repo, args: ['merge-base', ancestor, descendant] }, { seconds: SECONDS });
    const { exit, output } = await child.collect();
    if (exit.code === UNKNOWN_COMMIT) throw new DomainError('not_found', 'Commit not found');
    if (exit.code === 1) return { base: null };
    assertWentWell(exit, 'merge-base');
    return { base: output.trim() };
  },
};
