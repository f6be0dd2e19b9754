import { runSoak } from '../crash/soak.js';
import { loseOneOfTwo } from '../crash/two-servers.js';
import { createTestDatabase } from '../support/database.js';

const rounds = process.env['ROUNDS'] === undefined ? null : Number(process.env['ROUNDS']);
const HOUR = 3_600_000;

describe('a server that is killed', () => {
  it(
    'keeps every write it acknowledged, and none in part',
    async () => {
      const { problems, missed } = await runSoak(rounds);
      expect(problems).toEqual([]);
      expect(missed).toEqual([]);
    },
    rounds === null ? 180_000 : 2 * HOUR,
  );

  it('leaves nothing behind that another server on its database does not put right', async () => {
    const database = await createTestDatabase();
    try {
      expect(await loseOneOfTwo(database.url)).toEqual([]);
    } finally {
      await database.drop();
    }
  }, 180_000);
});
