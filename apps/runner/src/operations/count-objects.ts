import type { Operation } from '../operation.js';
import { assertWentWell } from '../git-words.js';

const SECONDS = 60;

/** How many objects and packs a repository holds; decides when maintenance is due. */
export const countObjects: Operation<'count-objects'> = {
  name: 'count-objects',
  kind: 'accessor',
  lane: 'query',
  body: 'params',
  params: (read) => ({ repo: read.repo() }),
  async run(call) {
    const child = call.git({ repo: call.params.repo, args: ['count-objects', '-v'] }, { seconds: SECONDS });
    const { exit, output } = await child.collect();
    assertWentWell(exit, 'count-objects');
    const facts = new Map(output.split('\n').map((line) => line.split(': ') as [string, string]));
    const number = (key: string): number => Number(facts.get(key) ?? 0);
    return {
      loose: number('count'),
      packed: number('in-pack'),
      packs: number('packs'),
      packBytes: number('size-pack') * 1024,
      garbage: number('garbage'),
    };
  },
};
