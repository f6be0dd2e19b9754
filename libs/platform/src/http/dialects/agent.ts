import { DomainError } from '#kernel';
import type { Dialect } from './dialect.js';

/** sandbox-sessions.md part B: `{error: <code>, message}`. */
export const agentDialect: Dialect = {
  name: 'agent',
  corsHeaders: ['Content-Type', 'Authorization', 'x-api-key', 'x-session-id', 'Idempotency-Key', 'Last-Event-ID'],
  reply(error, requestId) {
    const body = {
      ...error.details,
      ...(error.field !== undefined && { field: error.field }),
      error: error.reason ?? error.code,
      message: error.message,
      ...(error.code === 'internal' && { request_id: requestId }),
    };
    return { status: error.status, body, headers: error.headers };
  },
  missingCredential: () => new DomainError('unauthorized', 'Missing API key'),
  malformedJson: () => new DomainError('invalid_input', 'Request body is not valid JSON'),
  unknownRoute: () => new DomainError('not_found', 'Not found'),
};
