import type { Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { loadConfig } from '#platform';
import { AppModule } from './app.module.js';

export interface OfflineServices {
  get<Service>(service: Type<Service>): Service;
  close(): Promise<void>;
}

/**
 * The application's services without its life: nothing that starts with the server (listening, jobs, sealing, the first
 * administrator) is started. For the command line.
 */
export async function openServices(env: NodeJS.ProcessEnv): Promise<OfflineServices> {
  const app = await NestFactory.create(AppModule.forRoot(loadConfig(env)), {
    logger: ['error', 'fatal'],
    abortOnError: false,
  });
  return { get: (service) => app.get(service), close: () => app.close() };
}
