import type { OpenAPIObject } from '@nestjs/swagger';
import { FEATURE_EXTENSION } from '#accounts';
import { API_FAILURES, type Dialect, dialectOfPath } from '#platform';

type Schema = Record<string, unknown>;

interface Operation {
  security?: readonly unknown[];
  parameters?: { readonly in: string }[];
  requestBody?: unknown;
  responses: Record<string, unknown>;
  readonly [FEATURE_EXTENSION]?: string;
  [API_FAILURES]?: Readonly<Record<string, string>>;
}

const METHODS = ['get', 'post', 'put', 'patch', 'delete', 'head', 'options'] as const;

const text: Schema = { type: 'string' };

/** One error schema per surface, as its dialect writes them. */
const SCHEMAS: Readonly<Record<Dialect['name'], { name: string; schema: Schema } | null>> = {
  git: {
    name: 'V1Error',
    schema: {
      type: 'object',
      required: ['error', 'code'],
      properties: {
        error: { ...text, description: 'For people' },
        code: {
          type: 'string',
          enum: [
            ...['UNAUTHORIZED', 'FORBIDDEN', 'NOT_FOUND', 'VALIDATION_ERROR', 'CONFLICT', 'RATE_LIMITED'],
            ...['QUOTA_EXCEEDED', 'PAYLOAD_TOO_LARGE', 'UNPROCESSABLE', 'TIMEOUT', 'INTERNAL_ERROR'],
          ],
        },
        field: { ...text, description: 'The offending member of the input' },
        reason: { ...text, description: 'A finer code, e.g. insufficient_scope' },
        current_sha: { ...text, description: 'On 409: where the ref is now' },
        request_id: text,
      },
      additionalProperties: true,
    },
  },
  captured: {
    name: 'CapturedError',
    schema: {
      type: 'object',
      required: ['error', 'detail'],
      properties: {
        error: {
          type: 'object',
          required: ['code', 'message', 'details'],
          properties: {
            code: { ...text, description: 'The status as text, or a true code' },
            message: text,
            details: {
              type: 'object',
              properties: { error: { ...text, description: 'Machine code, e.g. api_key_revoked' } },
              additionalProperties: true,
            },
          },
        },
        detail: { description: 'The text, the flat structured object, or the list of validation problems' },
      },
    },
  },
  sandbox: {
    name: 'ApiError',
    schema: {
      type: 'object',
      required: ['status', 'error'],
      properties: { status: { type: 'string', enum: ['error'] }, error: text, code: text },
      additionalProperties: true,
    },
  },
  agent: {
    name: 'AgentError',
    schema: {
      type: 'object',
      required: ['error', 'message'],
      properties: { error: text, message: text },
      additionalProperties: true,
    },
  },
  plain: null,
};

/** Adds to every operation the errors its dialect and its access rule can produce. Declared answers win. */
export function describeErrors(document: OpenAPIObject): OpenAPIObject {
  const schemas: Record<string, Schema> = { ...(document.components?.schemas as Record<string, Schema>) };
  for (const [path, item] of Object.entries(document.paths)) {
    const dialect = dialectOfPath(path.replace(/\{[^}]+\}/g, 'x'));
    const error = SCHEMAS[dialect.name];
    if (error) schemas[error.name] = error.schema;
    for (const method of METHODS) {
      const operation = (item as Record<string, Operation | undefined>)[method];
      if (!operation) continue;
      // An empty list says "public" where silence would say nothing.
      operation.security ??= [];
      operation.responses = { ...errorsOf(path, operation, dialect), ...ownErrors(operation, dialect), ...operation.responses };
      delete operation[API_FAILURES];
    }
  }
  return { ...document, components: { ...document.components, schemas: schemas as never } };
}

function errorsOf(path: string, operation: Operation, dialect: Dialect): Record<string, unknown> {
  const isOpen = (operation.security ?? []).length === 0;
  const hasInput = operation.requestBody !== undefined || (operation.parameters ?? []).length > 0;
  const validation = dialect.name === 'captured' ? '422' : '400';
  const statuses: [string, string, boolean][] = [
    [validation, 'The input breaks a rule; the field is named', hasInput],
    ['401', 'No credential, or one that is unknown, revoked or expired', !isOpen],
    ['403', forbidden(operation[FEATURE_EXTENSION]), !isOpen],
    ['404', 'Unknown, or of another account', path.includes('{')],
    ['409', 'The state does not allow it, or the same Idempotency-Key is in progress', operation.requestBody !== undefined],
    ['413', 'The body is larger than the route takes', operation.requestBody !== undefined],
    ['429', 'Too many requests; Retry-After tells when to come back', true],
    ['500', 'A fault of the server, with the request id', true],
  ];
  return Object.fromEntries(
    statuses.filter(([, , applies]) => applies).map(([status, description]) => [status, response(description, status, dialect)]),
  );
}

function forbidden(feature: string | undefined): string {
  if (feature === undefined) return 'The credential lacks a scope';
  return `The credential lacks a scope, or the plan lacks ${feature} (upgrade_required)`;
}

function ownErrors(operation: Operation, dialect: Dialect): Record<string, unknown> {
  const own = Object.entries(operation[API_FAILURES] ?? {});
  return Object.fromEntries(own.map(([status, description]) => [status, response(description, status, dialect)]));
}

function response(description: string, status: string, dialect: Dialect): unknown {
  const schema = SCHEMAS[dialect.name];
  const content = schema
    ? { 'application/json': { schema: { $ref: `#/components/schemas/${schema.name}` } } }
    : { 'text/plain': { schema: { type: 'string' } } };
  const headers = status === '429' ? { 'Retry-After': { description: 'Seconds', schema: { type: 'integer' } } } : undefined;
  return { description, ...(headers && { headers }), content };
}
