import type { OpenAPIObject } from '@nestjs/swagger';
import type { Route } from '../access/route-table.js';
import { IDEMPOTENCY_HEADER, MAX_KEY_LENGTH } from './idempotent-routes.js';

/** Adds the optional header to every operation of the document whose route honours it. */
export function describeIdempotency(document: OpenAPIObject, routes: readonly Route[]): void {
  for (const route of routes.filter(({ isIdempotent }) => isIdempotent)) {
    const path = route.path.replace(/[:*](\w+)/g, '{$1}');
    const method = route.method.toLowerCase() as 'post' | 'put' | 'patch' | 'delete';
    const operation = document.paths[path]?.[method];
    if (!operation || operation.parameters?.some((known) => 'name' in known && known.name === IDEMPOTENCY_HEADER)) {
      continue;
    }
    operation.parameters = [
      ...(operation.parameters ?? []),
      {
        name: IDEMPOTENCY_HEADER,
        in: 'header',
        required: false,
        description: 'Repeats of the same request with the same key have one effect and one answer, for 24 hours.',
        schema: { type: 'string', minLength: 1, maxLength: MAX_KEY_LENGTH },
      },
    ];
  }
}
