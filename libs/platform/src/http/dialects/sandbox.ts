import { DomainError } from '#kernel';
import type { Dialect } from './dialect.js';

const MISSING = 'Exactly one of x-api-key or Authorization must be provided';
const FOREIGN = 'Authorization header with Bearer token required';

/**
 * sandbox-sessions.md part A: `{status: "error", error}`, with the text in `message` too and the field at fault in `path`
 * and `missing_fields`: its clients read one or the other (§A4).
 */
export const sandboxDialect: Dialect = {
  name: 'sandbox',
  corsHeaders: [
    'Content-Type',
    'Authorization',
    'X-Requested-With',
    'x-api-key',
    'x-session-id',
    'X-Account',
    'If-Match',
    'Idempotency-Key',
    'Last-Event-ID',
  ],
  isOpenToOrigins: true,
  reply(error, requestId) {
    const body = {
      ...error.details,
      ...(error.field !== undefined && placeOf(error.field)),
      status: 'error',
      error: error.message,
      message: isRefused(error) ? 'Unauthorized' : error.message,
      code: error.reason ?? error.code,
      ...(error.code === 'internal' && { request_id: requestId }),
    };
    return { status: error.status, body, headers: error.headers };
  },
  missingCredential: (isForeign) => new DomainError('unauthorized', isForeign ? FOREIGN : MISSING),
  malformedJson: () => new DomainError('invalid_input', 'Invalid JSON body'),
  unknownRoute: (allowed) =>
    allowed.length === 0
      ? new DomainError('not_found', 'Not found')
      : new DomainError('method_not_allowed', 'Method not allowed', { headers: { Allow: allowed.join(', ') } }),
};

/** A credential that is no good: its clients know it by the text in `message` (§A2.1). */
function isRefused({ code, message }: DomainError): boolean {
  return code === 'unauthorized' && message !== MISSING && message !== FOREIGN;
}

function placeOf(field: string): { field: string; path: string[]; missing_fields: string[] } {
  const path = field.split('.');
  return { field, path, missing_fields: path };
}
