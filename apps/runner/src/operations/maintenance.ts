import { faultPoint } from '#kernel';
import type { Maintenance } from '#repos';
import type { GitExit } from '../git-child.js';
import { assertWentWell } from '../git-words.js';
import type { Call, Operation } from '../operation.js';

const SECONDS = 3600;

/**
 * Rolls packs up while the repository is in use. Only forms that keep unreachable objects for two weeks are used:
 * `repack -ad` and `gc --prune=now` delete packs of commits whose ref is just being written.
 */
export const maintenance: Operation<'maintenance'> = {
  name: 'maintenance',
  kind: 'mutator',
  lane: 'maintenance',
  body: 'params',
  params: (read) => ({ repo: read.repo(), kind: read.oneOf('kind', ['geometric', 'cruft']) }),
  async run(call) {
    const started = performance.now();
    faultPoint('maintenance.before-repack');
    const bitmap = await repack(call);
    faultPoint('maintenance.after-repack');
    const graph = await background(call, ['commit-graph', 'write', '--reachable', '--split', '--changed-paths']);
    return { bitmap, commitGraph: graph.code === 0, milliseconds: Math.round(performance.now() - started) };
  },
};

/** Repacks and reports whether a bitmap was written: it needs every object of every ref in a pack. */
async function repack(call: Call<Maintenance>): Promise<boolean> {
  if (call.params.kind === 'cruft') {
    const exit = await background(call, ['repack', '-d', '-q', '--cruft', '--cruft-expiration=2.weeks.ago']);
    assertWentWell(exit, 'repack');
  }
  const geometric = ['repack', '-d', '-q', '--geometric=2', '--write-midx'];
  const full = await background(call, [...geometric, '--write-bitmap-index']);
  if (full.code === 0) return !full.stderr.includes('bitmap');
  assertWentWell(await background(call, geometric), 'repack');
  return false;
}

async function background(call: Call<Maintenance>, args: readonly string[]): Promise<GitExit> {
  const child = call.git(
    { repo: call.params.repo, args, config: { 'pack.writeReverseIndex': 'true' } },
    { seconds: SECONDS, outputBytes: 1_048_576, background: true },
  );
  child.stdin.end();
  return (await child.collect()).exit;
}
