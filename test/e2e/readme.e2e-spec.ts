import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../../libs/kernel/src/index.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { type ServerProcess, startServerProcess } from '../support/server-process.js';

const run = promisify(execFile);

/** The quickstart of the README, as a newcomer would paste it. */
async function quickstart(): Promise<string> {
  const readme = await readFile(join(packageRoot(), 'README.md'), 'utf8');
  const blocks = [...readme.matchAll(/```sh quickstart\n([\s\S]*?)```/g)].map((match) => match[1] ?? '');
  return blocks.join('\n');
}

describe('the README quickstart', () => {
  let database: TestDatabase;
  let folder: string;
  let server: ServerProcess;

  beforeAll(async () => {
    database = await createTestDatabase();
    folder = await mkdtemp(join(tmpdir(), 'roundhouse-readme-'));
    server = await startServerProcess({ DATA_DIR: join(folder, 'data'), DATABASE_URL: database.url });
  });

  afterAll(async () => {
    await server.stop();
    await database.drop();
    await rm(folder, { recursive: true, force: true });
  });

  it('runs as printed, from sign-up over a pushed commit to a file in a sandbox session', async () => {
    const script = (await quickstart()).replaceAll('http://localhost:8080', server.url);
    expect(script).toContain('git push');
    const { stdout } = await run('bash', ['--norc', '-euo', 'pipefail', '-c', script], {
      cwd: folder,
      env: { PATH: process.env['PATH'] ?? '', HOME: folder, GIT_TERMINAL_PROMPT: '0', GIT_CONFIG_NOSYSTEM: '1' },
    });
    expect(stdout).toContain('<p>From git</p>');
    expect(stdout).toContain('"message":"Say more\\n"');
    expect(stdout).toContain('"status":"closed"');
    expect(stdout).toContain('"email":"ada@example.com"');
    expect(stdout).toMatch(/"key":"rhs_\w{38}"/);
    expect(stdout).toContain('"slug":"site"');
  });
});
