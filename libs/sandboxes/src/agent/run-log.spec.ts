import type { AgentEvent, StoredEvent } from './agent-event.js';
import { RunLog } from './run-log.js';

const FIRST: AgentEvent = { type: 'tool-end', id: 'first' };
const SECOND: AgentEvent = { type: 'tool-end', id: 'second' };

/** That many turns of the promises' queue later. */
async function after(moments: number): Promise<void> {
  for (let moment = 0; moment < moments; moment += 1) await Promise.resolve();
}

describe('the log of a run', () => {
  it.each(Array.from({ length: 12 }, (_, moments) => moments))(
    'stores what is added %i moments after a store began, though nothing else comes',
    async (moments) => {
      const stored: StoredEvent[] = [];
      const isWhole = Promise.withResolvers<void>();
      const log = new RunLog((events) => {
        stored.push(...events);
        if (stored.length === 1) void after(moments).then(() => log.add(SECOND));
        else isWhole.resolve();
        return Promise.resolve(true);
      }, 0);
      await log.add(FIRST);
      await isWhole.promise;
      expect(stored).toEqual([
        { seq: 0, data: FIRST },
        { seq: 1, data: SECOND },
      ]);
    },
  );
});
