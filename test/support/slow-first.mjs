import Sequencer from '@jest/test-sequencer';

/** The slowest first. On a machine that never ran them, Jest goes by the size of a file, and these are short and slow. */
const SLOW = [
  'admin-cli.e2e-spec.ts',
  'crash.e2e-spec.ts',
  'audit.e2e-spec.ts',
  'captured-memory.e2e-spec.ts',
  'revocation-nodes.e2e-spec.ts',
  'smart-http.spec.ts',
  'mail-servers.e2e-spec.ts',
  'quotas.e2e-spec.ts',
  'git-fetch.e2e-spec.ts',
  'mail.e2e-spec.ts',
  'pinned-sessions-nodes.e2e-spec.ts',
  'audit-judges.e2e-spec.ts',
  'sandbox-crash.e2e-spec.ts',
  'embedded-postgres.int-spec.ts',
  'git-runner.spec.ts',
  'blobs.e2e-spec.ts',
  'full-disk-push.e2e-spec.ts',
  'maintenance.e2e-spec.ts',
];

/** The slowest spec files first, so that none of them runs alone at the end; the others by what they took the last time. */
export default class SlowFirst extends Sequencer {
  sort(tests) {
    const rank = ({ path }) => SLOW.indexOf(path.slice(path.lastIndexOf('/') + 1));
    const sorted = super.sort(tests);
    const slow = sorted.filter((test) => rank(test) >= 0).sort((a, b) => rank(a) - rank(b));
    return [...slow, ...sorted.filter((test) => rank(test) < 0)];
  }
}
