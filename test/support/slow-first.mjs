import Sequencer from '@jest/test-sequencer';

/** They start processes rather than holding many tests: on a machine that never ran them, Jest goes by the size of a file. */
const SLOW = ['crash', 'admin-cli', 'audit', 'archives', 'blobs', 'mail-servers', 'full-disk-push', 'maintenance'];

/** The slowest spec files first, so that none of them runs alone at the end. */
export default class SlowFirst extends Sequencer {
  sort(tests) {
    const isSlow = ({ path }) => SLOW.some((topic) => path.endsWith(`/${topic}.e2e-spec.ts`));
    const sorted = super.sort(tests);
    return [...sorted.filter(isSlow), ...sorted.filter((test) => !isSlow(test))];
  }
}
