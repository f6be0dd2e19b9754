import type { Operation } from '../operation.js';
import { assertWentWell } from '../git-words.js';

const SECONDS = 3600;

/** Feeds a stream to `git fast-import` (which writes refs itself): the yardstick of the commit benchmark. */
export const fastImport: Operation<'fast-import'> = {
  name: 'fast-import',
  kind: 'mutator',
  lane: 'query',
  body: 'stream',
  benchOnly: true,
  params: (read) => ({ repo: read.repo() }),
  async run(call) {
    const child = call.git(
      { repo: call.params.repo, args: ['fast-import', '--quiet', '--date-format=raw'] },
      { seconds: SECONDS },
    );
    call.body.pipe(child.stdin);
    await call.send(child.stdout, { early: true });
    assertWentWell(await child.exit, 'fast-import');
    return undefined;
  },
};
