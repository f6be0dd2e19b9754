import { DomainError } from '#kernel';
import type { Dialect } from './dialect.js';

/** Git clients read text/plain; a 401 is empty and asks for Basic credentials (coregit.md §2.5). */
export const plainDialect: Dialect = {
  name: 'plain',
  corsHeaders: [],
  reply(error, requestId) {
    if (error.code === 'unauthorized') {
      return { status: 401, body: '', headers: { 'WWW-Authenticate': 'Basic realm="Roundhouse"', ...error.headers } };
    }
    const body = error.code === 'internal' ? `${error.message} (request ${requestId})` : error.message;
    return { status: error.status, body, headers: error.headers };
  },
  missingCredential: () => new DomainError('unauthorized', 'Authentication required'),
  malformedJson: () => new DomainError('invalid_input', 'Malformed request'),
};
