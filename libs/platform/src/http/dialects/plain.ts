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
    return { status: error.status, body: textOf(error, requestId), headers: error.headers };
  },
  missingCredential: () => new DomainError('unauthorized', 'Authentication required'),
  malformedJson: () => new DomainError('invalid_input', 'Malformed request'),
  unknownRoute: () => new DomainError('not_found', 'Not found'),
};

/** Texts of coregit.md §2.5 and §15.1 where they differ from what the guard says. */
function textOf(error: DomainError, requestId: string): string {
  if (error.code === 'internal') return `${error.message} (request ${requestId})`;
  if (error.reason === 'insufficient_scope') {
    const required = error.details['required'];
    const access = Array.isArray(required) && required.includes('repos:write') ? 'write' : 'read';
    return `Token does not have ${access} access to this repository`;
  }
  return error.code === 'rate_limited' ? lowerFirst(error.message) : error.message;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
