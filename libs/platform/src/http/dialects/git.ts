import { DomainError, type ErrorCode } from '#kernel';
import type { Dialect } from './dialect.js';

/** coregit.md §1.3: `{error, code}` everywhere, extra members beside them. */
const WIRE_CODES: Readonly<Record<ErrorCode, string>> = {
  invalid_input: 'VALIDATION_ERROR',
  bad_request: 'VALIDATION_ERROR',
  unauthorized: 'UNAUTHORIZED',
  payment_required: 'QUOTA_EXCEEDED',
  forbidden: 'FORBIDDEN',
  not_found: 'NOT_FOUND',
  method_not_allowed: 'NOT_FOUND',
  conflict: 'CONFLICT',
  gone: 'NOT_FOUND',
  precondition_failed: 'CONFLICT',
  payload_too_large: 'PAYLOAD_TOO_LARGE',
  range_not_satisfiable: 'VALIDATION_ERROR',
  unprocessable: 'UNPROCESSABLE',
  precondition_required: 'VALIDATION_ERROR',
  rate_limited: 'RATE_LIMITED',
  quota_exceeded: 'QUOTA_EXCEEDED',
  internal: 'INTERNAL_ERROR',
  operation_failed: 'INTERNAL_ERROR',
  not_implemented: 'INTERNAL_ERROR',
  upstream_failed: 'INTERNAL_ERROR',
  unavailable: 'INTERNAL_ERROR',
  timeout: 'TIMEOUT',
};

export const gitDialect: Dialect = {
  name: 'git',
  corsHeaders: ['Content-Type', 'Authorization', 'x-api-key', 'x-session-id', 'Idempotency-Key', 'X-Account'],
  reply(error, requestId) {
    const body = {
      ...error.details,
      ...(error.field !== undefined && { field: error.field }),
      ...(error.reason !== undefined && { reason: error.reason }),
      error: error.message,
      code: WIRE_CODES[error.code],
      ...(error.code === 'internal' && { request_id: requestId }),
    };
    return { status: error.status, body, headers: error.headers };
  },
  missingCredential: () => new DomainError('unauthorized', 'Missing API key. Set x-api-key header.'),
  malformedJson: () => new DomainError('invalid_input', 'Invalid JSON body'),
  unknownRoute: () => new DomainError('not_found', 'Not found'),
};
