import { DomainError } from '#kernel';
import type { Dialect } from './dialect.js';

/** sandbox-sessions.md part A: `{status: "error", error}`. */
export const sandboxDialect: Dialect = {
  name: 'sandbox',
  corsHeaders: ['Content-Type', 'Authorization', 'x-api-key', 'x-session-id', 'Idempotency-Key'],
  reply(error, requestId) {
    const body = {
      ...error.details,
      ...(error.field !== undefined && { field: error.field }),
      status: 'error',
      error: error.message,
      code: error.reason ?? error.code,
      ...(error.code === 'internal' && { request_id: requestId }),
    };
    return { status: error.status, body, headers: error.headers };
  },
  missingCredential: () => new DomainError('unauthorized', 'Unauthorized'),
  malformedJson: () => new DomainError('invalid_input', 'Invalid JSON body'),
  unknownRoute: () => new DomainError('not_found', 'Not found'),
};
