import type { Request } from 'express';
import { agentDialect } from './dialects/agent.js';
import { capturedDialect } from './dialects/captured.js';
import type { Dialect } from './dialects/dialect.js';
import { gitDialect } from './dialects/git.js';
import { plainDialect } from './dialects/plain.js';
import { sandboxDialect } from './dialects/sandbox.js';

/** URL prefixes in whole segments, longest first; the first that matches decides. */
const PREFIXES: readonly (readonly [prefix: string, dialect: Dialect])[] = [
  ['/v1/responses', agentDialect],
  ['/v1/sessions', agentDialect],
  ['/v1/skills', agentDialect],
  ['/webhooks', capturedDialect],
  ['/api/v1', capturedDialect],
  ['/api', sandboxDialect],
  ['/v1', gitDialect],
];

const GIT_PATH = /^\/[^/]+\/(?:[^/]+\/)?[^/]+\.git(?:\/|$)/;

/** The dialect of a URL path: error envelope, validation status and CORS, nothing else. */
export function dialectOfPath(path: string): Dialect {
  for (const [prefix, dialect] of PREFIXES) {
    if (path === prefix || path.startsWith(`${prefix}/`)) return dialect;
  }
  return GIT_PATH.test(path) ? plainDialect : gitDialect;
}

/** Decided on the URL as the client sent it, before any address was resolved. */
export function dialectOf(request: Pick<Request, 'originalUrl'>): Dialect {
  return dialectOfPath(pathOf(request.originalUrl));
}

export function pathOf(url: string): string {
  const end = url.search(/[?#]/);
  return end === -1 ? url : url.slice(0, end);
}
