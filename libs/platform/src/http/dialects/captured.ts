import { DomainError } from '#kernel';
import type { Dialect } from './dialect.js';

/** Reasons whose place on this wire is `error.code` itself (sessionfs-1.md §2.2); all others go to details.error. */
const TRUE_CODES = new Set([
  'etag_mismatch',
  'PAYLOAD_TOO_LARGE',
  'duplicate_resource',
  'missing_required_field',
  'foreign_key_violation',
  'check_constraint_violation',
  'integrity_error',
]);

/** Reasons that answer without the envelope (sessionfs-1.md §2.2, §8.2). */
const BARE = new Set(['no_claims_extracted', 'llm_request_failed', 'llm_timeout']);

/** sessionfs-1.md §2: `{error: {code, message, details}}` plus the flat `detail` of §2.5; validation is 422. */
export const capturedDialect: Dialect = {
  name: 'captured',
  corsHeaders: [
    'Content-Type',
    'Authorization',
    'x-api-key',
    'x-session-id',
    'If-Match',
    'If-None-Match',
    'Idempotency-Key',
  ],
  reply(error, requestId) {
    const status = error.code === 'invalid_input' ? 422 : error.status;
    if (error.reason !== undefined && BARE.has(error.reason)) {
      const body = { ...error.details, error: error.reason, message: error.message };
      return { status, body, headers: error.headers };
    }
    const isTrueCode = error.reason !== undefined && TRUE_CODES.has(error.reason);
    const code = isTrueCode ? error.reason : String(status);
    const details: Record<string, unknown> = {
      ...error.details,
      ...(error.field !== undefined && !error.details['errors'] && { field: error.field }),
      ...(error.reason !== undefined && !isTrueCode && { error: error.reason }),
      ...(error.code === 'internal' && { request_id: requestId }),
    };
    const message = error.details['errors'] ? 'Validation error' : error.message;
    return {
      status,
      body: { error: { code, message, details }, detail: mirrorDetail(error, details) },
      headers: error.headers,
    };
  },
  missingCredential: () => new DomainError('unauthorized', 'Missing or invalid Authorization header'),
  malformedJson: (position) =>
    new DomainError('invalid_input', 'Validation error', {
      details: { errors: [{ type: 'json_invalid', loc: ['body', position], msg: 'JSON decode error', input: {} }] },
    }),
  unknownRoute: (allowed) =>
    allowed.length === 0
      ? new DomainError('not_found', 'Not Found')
      : new DomainError('method_not_allowed', 'Method Not Allowed', { headers: { Allow: allowed.join(', ') } }),
};

/** sessionfs-1.md §2.5: the text of a plain error, the flat object of a structured one, the array of a 422. */
function mirrorDetail(error: DomainError, details: Record<string, unknown>): unknown {
  if (details['errors']) return details['errors'];
  if (error.reason === undefined) return error.message;
  return { error: error.reason, message: error.message, ...details };
}
