/** Every scope a key may carry besides `*`, as data: OpenAPI, key validation and the route test read this table. */
export const SCOPES = {
  'repos:read': 'Read repositories, refs, commits and files; clone and fetch',
  'repos:write': 'Create and change repositories; commit and push',
} as const;

export type Scope = keyof typeof SCOPES;

export const WILDCARD = '*';

export function isScope(value: string): value is Scope {
  return Object.hasOwn(SCOPES, value);
}

/** `write` implies `read`: the stored list always says both. Order is kept, duplicates go. */
export function expandScopes(scopes: readonly string[]): string[] {
  const expanded = scopes.flatMap((scope) =>
    scope.endsWith(':write') && isScope(scope.replace(/:write$/, ':read'))
      ? [scope, scope.replace(/:write$/, ':read')]
      : [scope],
  );
  return [...new Set(expanded)];
}
