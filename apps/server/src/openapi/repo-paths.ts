import type { OpenAPIObject } from '@nestjs/swagger';

type Item = Record<string, { operationId?: string; parameters?: unknown[] } & Record<string, unknown>>;

const REST = '/v1/repos/{slug}';
const GIT = /^\/\{account\}\/\{slug\}\.git/;
const NAMESPACE = { name: 'namespace', in: 'path', required: true, schema: { type: 'string' } };

/** Repository routes answer under a namespace too (one handler, see http/repo-address.ts): lists both forms. */
export function addNamespaceForms(document: OpenAPIObject): OpenAPIObject {
  const paths: Record<string, unknown> = { ...document.paths };
  for (const [path, item] of Object.entries(document.paths)) {
    const namespaced = namespacedForm(path);
    if (namespaced !== null) paths[namespaced] = inNamespace(item as Item);
  }
  return { ...document, paths: paths as OpenAPIObject['paths'] };
}

function namespacedForm(path: string): string | null {
  if (path === REST || path.startsWith(`${REST}/`)) return path.replace(REST, '/v1/repos/{namespace}/{slug}');
  return GIT.test(path) ? path.replace('/{account}/', '/{account}/{namespace}/') : null;
}

function inNamespace(item: Item): Item {
  return Object.fromEntries(
    Object.entries(item).map(([method, operation]) => [
      method,
      {
        ...operation,
        operationId: `${operation.operationId}InNamespace`,
        parameters: [NAMESPACE, ...(operation.parameters ?? [])],
      },
    ]),
  );
}

/** Express's `*rest` is one path parameter that may hold slashes; every path parameter is declared and required. */
export function nameWildcards(document: OpenAPIObject): OpenAPIObject {
  const paths = Object.entries(document.paths).map(([path, item]) => {
    const named = path.replace(/\*(\w+)/g, '{$1}').replace(/\{\{(\w+)\}\}/g, '{$1}');
    return [named, withPathParameters(named, item as Item)] as const;
  });
  return { ...document, paths: Object.fromEntries(paths) as OpenAPIObject['paths'] };
}

interface Parameter {
  readonly name?: string;
  readonly in?: string;
  readonly schema?: { readonly type?: string };
}

function withPathParameters(path: string, item: Item): Item {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');
  return Object.fromEntries(
    Object.entries(item).map(([method, operation]) => {
      const given = (operation.parameters ?? []) as Parameter[];
      const others = given.filter((parameter) => parameter.in !== 'path');
      const inPath = names.map((name) => ({
        ...given.find((parameter) => parameter.in === 'path' && parameter.name === name),
        name,
        in: 'path',
        required: true,
        schema: { type: 'string' },
      }));
      return [method, { ...operation, parameters: [...inPath, ...others] }];
    }),
  );
}
