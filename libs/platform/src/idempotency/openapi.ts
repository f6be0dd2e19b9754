import type { OpenAPIObject } from '@nestjs/swagger';
import { REQUIRED_SCOPES } from '../access/access-rule.js';
import { STREAMED_BODY } from '../http/body-reader.js';
import { IDEMPOTENCY_HEADER, isMutating, MAX_KEY_LENGTH, OWN_REPEATS } from './idempotent-routes.js';

interface Operation {
  parameters?: unknown[];
  readonly security?: readonly unknown[];
  readonly [REQUIRED_SCOPES]?: readonly string[];
  readonly [STREAMED_BODY]?: boolean;
  readonly [OWN_REPEATS]?: boolean;
}

const HEADER = {
  name: IDEMPOTENCY_HEADER,
  in: 'header',
  required: false,
  description: 'Repeats of the same request with the same key have one effect and one answer, for 24 hours',
  schema: { type: 'string', minLength: 1, maxLength: MAX_KEY_LENGTH },
};

/** Adds the optional header to every operation whose route honours it (see `honoursIdempotencyKey`). */
export function describeIdempotency(document: OpenAPIObject): OpenAPIObject {
  for (const item of Object.values(document.paths)) {
    for (const [method, operation] of Object.entries(item as Record<string, Operation>)) {
      if (honoursKey(method, operation)) operation.parameters = [...(operation.parameters ?? []), HEADER];
    }
  }
  return document;
}

function honoursKey(method: string, operation: Operation): boolean {
  const isOpen = (operation.security ?? []).length === 0;
  if (isOpen || operation[STREAMED_BODY] || operation[OWN_REPEATS]) return false;
  return isMutating(method.toUpperCase(), operation[REQUIRED_SCOPES] ?? []);
}
