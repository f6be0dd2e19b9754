import { randomBytes } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { ExpressAdapter, type NestExpressApplication } from '@nestjs/platform-express';
import express, { type NextFunction, type Request, type RequestHandler, type Response } from 'express';
import helmet from 'helmet';
import { DomainError } from '#kernel';
import type { AppConfig } from '../config/app-config.js';
import { sendError } from './dialect.filter.js';
import { dialectOf, pathOf } from './dialects.js';
import { holdBody } from './request-body.js';
import { type RequestContext, runInContext } from './request-context.js';
import { REQUEST_COMPLETED } from './request-events.js';

const EXPOSED_HEADERS = [
  'X-Request-Id',
  'X-RateLimit-Limit',
  'X-RateLimit-Remaining',
  'X-RateLimit-Reset',
  'X-Org-RateLimit-Limit',
  'X-Org-RateLimit-Remaining',
  'Retry-After',
  'ETag',
  'Content-Range',
  'X-Content-Sha',
  'Idempotency-Replayed',
  'X-Next-After',
  'X-Next-Cursor',
  'X-Response-Id',
  'X-Execution-Id',
  'x-workflow-run-id',
  'x-workflow-stream-tail-index',
].join(', ');

/**
 * Paths are compared byte by byte: a trailing slash or another case is another path (coregit.md §1.2). Only the
 * captured surface knows both slash forms, see `eitherSlash`.
 */
export function createHttpAdapter(): ExpressAdapter {
  const instance = express();
  // Express takes both into account when it makes its router, which Nest asks for at once.
  instance.enable('strict routing');
  instance.enable('case sensitive routing');
  return new ExpressAdapter(instance);
}

/** The stages before Nest's router, in order: context, headers, CORS, a path that can be routed. */
export function installMiddleware(app: NestExpressApplication, config: AppConfig): void {
  app.set('trust proxy', trustProxy(config.TRUST_PROXY));
  app.set('etag', false);
  app.set('query parser', 'simple');
  app.disable('x-powered-by');
  app.use(requestContext, securityHeaders(), originForm, cors(config), decodablePath, eitherSlash);
}

const requestContext: RequestHandler = (request, response, next) => {
  const requestId = randomBytes(4).toString('hex');
  response.setHeader('X-Request-Id', requestId);
  holdBody(request);
  const context: RequestContext = { requestId, address: request.ip ?? null, queries: 0 };
  if (REQUEST_COMPLETED.hasSubscribers) {
    const { method, originalUrl } = request;
    response.once('finish', () => REQUEST_COMPLETED.publish({ context, method, path: pathOf(originalUrl) }));
  }
  runInContext(context, () => next());
};

function securityHeaders(): RequestHandler {
  const strict = helmet({
    contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
    frameguard: { action: 'deny' },
    referrerPolicy: { policy: 'strict-origin-when-cross-origin' },
    strictTransportSecurity: { maxAge: 31_536_000, includeSubDomains: true },
  });
  return strict;
}

/** `GET http://host/path` (RFC 9112 §3.2.2) is routed, and answered in the dialect of, its path. */
const originForm: RequestHandler = (request, _response, next) => {
  if (!request.url.startsWith('/')) {
    request.url = request.url.replace(/^[a-z][a-z\d+.-]*:\/\/[^/?#]*/i, '').replace(/^(?!\/)/, '/');
    request.originalUrl = request.url;
  }
  next();
};

/**
 * Preflights of foreign origins are answered without an allowance, so that the browser refuses (coregit.md §1.5). The
 * captured surface answers 405 to an OPTIONS that is none (sessionfs-1.md §1).
 */
function cors(config: AppConfig): RequestHandler {
  const allowed = new Set(
    (config.CORS_ORIGINS ?? '')
      .split(',')
      .map((origin) => origin.trim())
      .filter(Boolean),
  );
  return (request, response, next) => {
    response.vary('Origin');
    const { origin } = request.headers;
    const isOpen = dialectOf(request).isOpenToOrigins === true;
    if (isOpen || (origin && allowed.has(origin))) {
      response.setHeader('Access-Control-Allow-Origin', isOpen ? '*' : (origin ?? ''));
      response.setHeader('Access-Control-Expose-Headers', EXPOSED_HEADERS);
    }
    if (request.method !== 'OPTIONS') return next();
    const isPreflight = request.headers['access-control-request-method'] !== undefined;
    if (!isPreflight && dialectOf(request).name === 'captured') return next();
    response.setHeader('Access-Control-Allow-Methods', 'GET, POST, PUT, PATCH, DELETE, OPTIONS');
    response.setHeader('Access-Control-Allow-Headers', dialectOf(request).corsHeaders.join(', '));
    response.setHeader('Access-Control-Max-Age', '86400');
    response.status(SANDBOX_SESSIONS.test(pathOf(request.originalUrl)) ? 200 : 204).end();
  };
}

/** Their preflights are 200 (sandbox-sessions.md §A3). */
const SANDBOX_SESSIONS = /^\/api\/(?:sessions|sandboxes|chats?)(?:\/|$)/;

const log = new Logger('Errors');

function decodablePath(request: Request, response: Response, next: NextFunction): void {
  try {
    if (decodeURIComponent(pathOf(request.url)).includes('\0')) throw new URIError('NUL byte');
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    const failure = new DomainError('invalid_input', 'URL path is not valid percent-encoded UTF-8', { field: 'path' });
    sendError(failure, request, response, log);
    return;
  }
  next();
}

const CAPTURED_WITH_SLASH = /^(\/api\/v1\/[^?]*[^/?])\/(?=\?|$)/;

/**
 * The captured surface answers `…/inbox/` as `…/inbox`: its clients follow no redirect (sessionfs-2.md §1.1). Routes are
 * declared without the slash.
 */
const eitherSlash: RequestHandler = (request, _response, next) => {
  request.url = request.url.replace(CAPTURED_WITH_SLASH, '$1');
  next();
};

function trustProxy(setting: string | undefined): boolean | number | string[] {
  if (!setting || setting === 'false') return false;
  if (/^\d+$/.test(setting)) return Number(setting);
  return setting.split(',').map((entry) => entry.trim());
}
