import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { createApplication, drain } from '../../apps/server/src/application.js';
import { type AppConfig, loadConfig } from '../../libs/platform/src/index.js';
import { createTestDatabase } from './database.js';

export interface TestServer {
  /** Base URL of the listening server. */
  readonly url: string;
  readonly app: NestExpressApplication;
  readonly config: AppConfig;
  readonly dataDir: string;
  readonly databaseUrl: string;
  close(): Promise<void>;
}

/** What is started in place of the shipped application: that with routes of the test's own. */
export type RootModule = (config: AppConfig) => Parameters<typeof createApplication>[1];

/** The whole application on a fresh database and data folder, listening on a free port of the loopback. */
export async function startTestServer(env: Record<string, string> = {}, root?: RootModule): Promise<TestServer> {
  const database = await createTestDatabase();
  const dataDir = await mkdtemp(join(tmpdir(), 'roundhouse-e2e-'));
  const server = await startOn(database.url, dataDir, env, root);
  return {
    ...server,
    close: async () => {
      await server.close();
      await database.drop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** A further process's worth of server on an existing database and data folder; `close` leaves both in place. */
export async function startOn(
  databaseUrl: string,
  dataDir: string,
  env: Record<string, string> = {},
  root?: RootModule,
): Promise<TestServer> {
  const config = loadConfig({
    PORT: '0',
    HOST: '127.0.0.1',
    LOG_LEVEL: 'warn',
    STORE_WORKERS: '2',
    SIGNUP_LIMIT_PER_HOUR: '100000',
    AUTH_FAILURE_LIMIT_PER_MINUTE: '100000',
    ...env,
    DATA_DIR: dataDir,
    DATABASE_URL: databaseUrl,
  });
  const app = await createApplication(config, root?.(config));
  await app.listen(0, '127.0.0.1');
  const { port } = (app.getHttpServer() as Server).address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, app, config, dataDir, databaseUrl, close: () => drain(app, config) };
}
