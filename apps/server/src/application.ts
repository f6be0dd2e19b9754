import { mkdirSync } from 'node:fs';
import type { IncomingMessage, Server } from 'node:http';
import { resolve } from 'node:path';
import type { Duplex } from 'node:stream';
import { type DynamicModule, Logger, type LoggerService } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { SwaggerModule } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Logger as PinoLogger } from 'nestjs-pino';
import { armFaultPoint, DomainError, parseFault } from '#kernel';
import {
  type AppConfig,
  createHttpAdapter,
  Health,
  installMiddleware,
  measureRequests,
  Metrics,
  sendError,
} from '#platform';
import { resolveRepoAddress } from '#repos';
import { PreviewDoor } from '#sandboxes';
import { AppModule } from './app.module.js';
import { DOCS_POLICY, OpenApiDocument } from './openapi/docs.controller.js';
import { buildDocument } from './openapi/document.js';

const KEEP_ALIVE_MS = 75_000;
const IDLE_MS = 120_000;
/** How often a draining server hangs up on clients that keep a connection open without asking anything. */
const IDLE_CHECK_MS = 50;

/** Builds the application without listening. `root` lets the benchmark add a controller to what is shipped. */
export async function createApplication(
  config: AppConfig,
  root: DynamicModule = AppModule.forRoot(config),
): Promise<NestExpressApplication> {
  config.DATA_DIR = resolve(config.DATA_DIR);
  mkdirSync(config.DATA_DIR, { recursive: true });
  armFault(config.FAULT_POINT);
  const app = await NestFactory.create<NestExpressApplication>(root, createHttpAdapter(), {
    bodyParser: false,
    bufferLogs: true,
    abortOnError: false,
    routeConflictPolicy: { duplicate: 'error', shadow: 'off' },
    routeResolutionStrategy: 'specificity',
  });
  app.useLogger(quietly(app.get(PinoLogger)));
  openPreviews(app);
  installMiddleware(app, config);
  app.use(measureRequests(app.get(Metrics)));
  if (config.APP_MODE === 'worker') app.use(operationsOnly);
  app.use(resolveRepoAddress);
  tuneServer(app.getHttpServer() as Server);
  serveDocs(app);
  return app;
}

/** Starts to answer that the process is not ready, lets requests in flight end, then closes everything. */
export async function drain(app: NestExpressApplication, config: AppConfig): Promise<void> {
  app.get(Health).drain();
  app.get(PreviewDoor, { strict: false }).hangUp();
  const server = app.getHttpServer() as Server;
  const deadline = setTimeout(() => server.closeAllConnections(), config.SHUTDOWN_GRACE_SECONDS * 1000);
  const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS);
  // Before anything is closed: what the last requests counted and enqueued must find its way out.
  await new Promise((closed) => server.close(closed));
  clearInterval(idle);
  clearTimeout(deadline);
  await app.close();
}

const OPERATIONS_PATHS = new Set(['/health', '/livez', '/readyz', '/metrics']);

/** A process that only runs jobs still answers probes and scrapes. */
function operationsOnly(request: Request, response: Response, next: () => void): void {
  if (OPERATIONS_PATHS.has(request.path)) return next();
  sendError(new DomainError('unavailable', 'This process runs jobs only'), request, response, new Logger('Errors'));
}

const CHATTER = new Set(['InstanceLoader', 'RoutesResolver', 'RouterExplorer', 'NestFactory', 'NestApplication']);

/** The server's log without the framework's line per module and route; its warnings and errors stay. */
function quietly(log: PinoLogger): LoggerService {
  return {
    log: (message: unknown, ...rest: unknown[]) => {
      if (!CHATTER.has(String(rest.at(-1)))) log.log(message, ...(rest as []));
    },
    error: log.error.bind(log),
    warn: log.warn.bind(log),
    debug: log.debug.bind(log),
    verbose: log.verbose.bind(log),
    fatal: log.fatal.bind(log),
  };
}

/**
 * Swagger UI at /api/docs; ReDoc and the JSON are served by DocsController. The document is built before a server listens,
 * or for whoever first asks: it takes a sixth of the work of a start, which an application that is never asked is spared.
 */
function serveDocs(app: NestExpressApplication): void {
  const document = app.get(OpenApiDocument);
  document.build = () => buildDocument(app);
  app.use('/api/docs', (_: Request, response: Response, next: () => void) => {
    response.setHeader('Content-Security-Policy', DOCS_POLICY);
    next();
  });
  SwaggerModule.setup('api/docs', app, () => document.value, { raw: false, customSiteTitle: 'Roundhouse API' });
}

/** Before every other stage: what a sandbox answers is not the server's to shape. Other upgrades stay what they were. */
function openPreviews(app: NestExpressApplication): void {
  const door = app.get(PreviewDoor, { strict: false });
  app.use((request: Request, response: Response, next: () => void) => door.serve(request, response, next));
  const server = app.getHttpServer() as Server;
  const shouldUpgradeCallback = (request: IncomingMessage): boolean => door.isFor(request);
  Object.assign(server, { shouldUpgradeCallback });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => door.upgrade(request, socket, head));
}

function tuneServer(server: Server): void {
  // Pushes and uploads may last hours; what must not last is silence.
  server.requestTimeout = 0;
  server.headersTimeout = 30_000;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.setTimeout(IDLE_MS);
  // The body reader sends 100 Continue once access is granted; without this listener Node would send it at once.
  server.on('checkContinue', (request, response) => {
    server.emit('request', request, response);
  });
}

function armFault(setting: string | undefined): void {
  if (setting === undefined) return;
  const { point, nth } = parseFault(setting);
  armFaultPoint(point, nth);
}
