import type { AddressInfo } from 'node:net';
import type { Server } from 'node:http';
import { loadConfig } from '#platform';
import { createApplication, drain } from './application.js';
import { OpenApiDocument } from './openapi/docs.controller.js';

export interface RunningServer {
  /** Base URL it answers on. */
  readonly url: string;
  /** Drains and stops; resolves when everything is closed. */
  close(): Promise<void>;
}

/** Starts one Roundhouse process from its environment. The database must be migrated. */
export async function startServer(env: NodeJS.ProcessEnv): Promise<RunningServer> {
  const config = loadConfig(env);
  const app = await createApplication(config);
  app.get(OpenApiDocument).prepare();
  await app.listen(config.PORT, config.HOST);
  const { port } = (app.getHttpServer() as Server).address() as AddressInfo;
  const host = config.HOST.includes(':') ? `[${config.HOST}]` : config.HOST;
  return { url: `http://${host}:${port}`, close: () => drain(app, config) };
}
