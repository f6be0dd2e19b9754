import { readFileSync } from 'node:fs';
import type { Answer } from './client.js';

type Schema = Readonly<Record<string, any>>; // eslint-disable-line @typescript-eslint/no-explicit-any -- a JSON document
interface Operation {
  readonly responses: Readonly<Record<string, Schema>>;
}

const document = JSON.parse(readFileSync('openapi/roundhouse.json', 'utf8')) as {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: Schema;
};

/** Methods and paths of the document, as it writes them. */
export function documentedOperations(): string[] {
  return Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  );
}

/** What of an answer the document does not say, or says otherwise; a client made of the document would stumble over it. */
export function undocumented(operation: string, { status, headers, body }: Answer): string[] {
  const [method = '', path = ''] = operation.split(' ');
  const response = document.paths[path]?.[method.toLowerCase()]?.responses[status];
  if (!response) return [`${operation} answers ${status}`];
  if (!headers.get('content-type')?.startsWith('application/json')) return [];
  const schema = (resolved(response)['content']?.['application/json'] as { schema?: Schema } | undefined)?.schema;
  if (!schema) return [`${operation} answers ${status} with JSON`];
  return misfits(schema, body, '').map((misfit) => `${operation} ${status}: ${misfit}`);
}

function resolved(schema: Schema): Schema {
  const reference = schema['$ref'] as string | undefined;
  if (reference === undefined) return schema;
  return reference
    .split('/')
    .slice(2)
    .reduce<Schema>((at, name) => at[name] as Schema, document.components);
}

/** As far as this document's schemas go. Members that are not documented count: nobody would know of them. */
function misfits(given: Schema, value: unknown, at: string): string[] {
  const schema = resolved(given);
  if (value === null && schema['nullable'] === true) return [];
  for (const part of (schema['allOf'] as Schema[] | undefined) ?? []) {
    const found = misfits(part, value, at);
    if (found.length > 0) return found;
  }
  const choices = (schema['oneOf'] ?? schema['anyOf']) as Schema[] | undefined;
  if (choices && !choices.some((choice) => misfits(choice, value, at).length === 0)) return [`${at} is none of oneOf`];
  const values = schema['enum'] as unknown[] | undefined;
  if (values && !values.includes(value)) return [`${at} is ${String(value)}`];
  return schema['type'] === undefined ? [] : misfitsOfType(schema, value, at);
}

function misfitsOfType(schema: Schema, value: unknown, at: string): string[] {
  switch (schema['type'] as string) {
    case 'array':
      if (!Array.isArray(value)) return [`${at} is no list`];
      return value.flatMap((item, index) => misfits((schema['items'] as Schema) ?? {}, item, `${at}/${index}`));
    case 'object':
      return misfitsOfObject(schema, value, at);
    case 'integer':
      return Number.isInteger(value) ? [] : [`${at} is no whole number`];
    default: {
      const pattern = schema['pattern'] as string | undefined;
      if (typeof value !== schema['type']) return [`${at} is no ${schema['type'] as string}`];
      return pattern === undefined || new RegExp(pattern).test(value as string) ? [] : [`${at} is ${String(value)}`];
    }
  }
}

function misfitsOfObject(schema: Schema, value: unknown, at: string): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [`${at} is no object`];
  const members = value as Record<string, unknown>;
  const known = schema['properties'] as Readonly<Record<string, Schema>> | undefined;
  const missing = ((schema['required'] as string[] | undefined) ?? []).filter((name) => !(name in members));
  return [
    ...missing.map((name) => `${at}/${name} is missing`),
    ...Object.entries(members).flatMap(([name, member]) => {
      if (known && Object.hasOwn(known, name)) return misfits(known[name]!, member, `${at}/${name}`);
      const others: unknown = schema['additionalProperties'] ?? known === undefined;
      if (others === false) return [`${at}/${name} is not documented`];
      return typeof others === 'object' ? misfits(others as Schema, member, `${at}/${name}`) : [];
    }),
  ];
}
