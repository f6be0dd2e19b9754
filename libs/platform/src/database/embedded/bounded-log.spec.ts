import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BoundedLog } from './bounded-log.js';

describe('the bounded log', () => {
  const folder = mkdtempSync(join(tmpdir(), 'rh-log-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  it('keeps two files within the bound, however much is written and however often it is opened', () => {
    for (let start = 0; start < 4; start += 1) {
      const log = new BoundedLog(folder, 'postgres.log', 100);
      for (let line = 0; line < 10; line += 1) log.append(`start ${start} line ${line}\n`);
    }

    expect(readdirSync(folder).sort()).toEqual(['postgres.log', 'postgres.log.1']);
    for (const name of readdirSync(folder)) expect(statSync(join(folder, name)).size).toBeLessThanOrEqual(100);
    expect(readFileSync(join(folder, 'postgres.log'), 'utf8')).toMatch(/start 3 line 9\n$/);
  });

  it('tells the last lines', () => {
    const log = new BoundedLog(folder, 'tail.log');
    log.append('first\nsecond\n');
    log.append('third\n');

    expect(log.tail()).toBe('first\nsecond\nthird');
  });
});
