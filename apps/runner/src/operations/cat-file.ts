import type { Operation } from '../operation.js';
import { assertWentWell } from '../git-words.js';

const SECONDS = 3600;

/** A conversation with `git cat-file --batch-command`: the yardstick of the read benchmark. */
export const catFile: Operation<'cat-file'> = {
  name: 'cat-file',
  kind: 'accessor',
  lane: 'query',
  body: 'stream',
  benchOnly: true,
  params: (read) => ({ repo: read.repo() }),
  async run(call) {
    const child = call.git({ repo: call.params.repo, args: ['cat-file', '--batch-command'] }, { seconds: SECONDS });
    call.body.pipe(child.stdin);
    await call.send(child.stdout, { early: true });
    assertWentWell(await child.exit, 'cat-file');
    return undefined;
  },
};
