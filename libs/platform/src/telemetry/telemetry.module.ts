import { type DynamicModule, Global, Module } from '@nestjs/common';
import type { Request, Response } from 'express';
import { LoggerModule } from 'nestjs-pino';
import { AppConfig } from '../config/app-config.js';
import { dialectOf, pathOf } from '../http/dialects.js';
import { loggedPath } from '../http/logged-path.js';
import { currentContext } from '../http/request-context.js';
import { principalOf } from '../access/caller.js';
import { Metrics } from './metrics.js';
import { MetricsController } from './metrics.controller.js';

const QUIET_PATHS = new Set(['/livez', '/readyz', '/health', '/metrics']);

/** Structured logs (one line per request; no headers, bodies or query strings, which may hold secrets) and metrics. */
@Global()
@Module({})
export class TelemetryModule {
  static forRoot(): DynamicModule {
    return {
      module: TelemetryModule,
      imports: [
        LoggerModule.forRootAsync({
          inject: [AppConfig],
          useFactory: (config: AppConfig) => ({ pinoHttp: requestLog(config) }),
        }),
      ],
      controllers: [MetricsController],
      providers: [Metrics],
      exports: [Metrics, LoggerModule],
    };
  }
}

function requestLog(config: AppConfig) {
  return {
    level: config.LOG_LEVEL,
    redact: {
      // A failed statement's values and PostgreSQL's detail repeat what the client sent.
      paths: [
        ...['req.headers', 'res.headers', '*.authorization', '*.raw_key', '*.password', '*.token'],
        ...['err.parameters', 'err.detail', 'err.driverError', 'err.where'],
      ],
      remove: true,
    },
    genReqId: () => currentContext()?.requestId ?? '',
    autoLogging: { ignore: (request: { url?: string }) => QUIET_PATHS.has(pathOf(request.url ?? '')) },
    serializers: {
      req: (request: { method: string; url: string }) => ({
        method: request.method,
        path: loggedPath(pathOf(request.url)),
      }),
      res: (response: { statusCode: number }) => ({ status: response.statusCode }),
    },
    customProps: (request: unknown, _response: unknown) => requestFacts(request as Request),
    customSuccessMessage: () => 'request completed',
    customErrorMessage: () => 'request failed',
  };
}

function requestFacts(request: Request): Record<string, unknown> {
  const principal = principalOf(request);
  const context = currentContext();
  return {
    request_id: context?.requestId,
    dialect: dialectOf(request).name,
    account: principal?.accountId,
    key: principal?.keyId,
    db_queries: context?.queries,
  };
}

/** Feeds the request histogram; installed before the router so that refused requests count too. */
export function measureRequests(metrics: Metrics) {
  return (request: Request, response: Response, next: () => void): void => {
    const started = process.hrtime.bigint();
    response.once('close', () => {
      const seconds = Number(process.hrtime.bigint() - started) / 1e9;
      metrics.requests.observe(
        {
          method: request.method,
          dialect: dialectOf(request).name,
          status: `${Math.floor(response.statusCode / 100)}xx`,
        },
        seconds,
      );
    });
    next();
  };
}
