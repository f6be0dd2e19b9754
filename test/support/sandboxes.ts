import { readdirSync, readFileSync } from 'node:fs';
import { whatBubblewrapLacks } from '../../apps/runner/src/sandboxes/bubblewrap-support.js';

const lack = await whatBubblewrapLacks(process.env['PATH'] ?? '/usr/bin:/bin');
if (lack !== null) console.warn(`Sandboxes are not tested: ${lack}`);

/** Where the machine cannot, there is nothing to test; the warning says so. */
export const onAbleMachines = lack === null ? describe : describe.skip;

/** Processes of this machine with `word` as one of their arguments. */
export function running(word: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0').includes(word);
    } catch (error) {
      if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
      throw error;
    }
  });
}
