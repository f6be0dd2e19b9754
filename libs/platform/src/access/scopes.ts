/** Every scope a key may carry besides `*`, as data: OpenAPI, key validation and the route test read this table. */
export const SCOPES = {
  'repos:read': 'Read repositories, refs, commits and files; clone and fetch',
  'repos:write': 'Create and change repositories; commit and push',
  'sandboxes:read': 'Read sandboxes, their files, chats and responses',
  'sandboxes:write': 'Create and destroy sandboxes; change their files, run commands and agents in them',
  'sessions:read': 'Read captured sessions',
  'handoffs:read': 'Read handoffs, their comments and events',
  'handoffs:write': 'Create, claim, revoke and decline handoffs; comment on them',
  'tickets:read': 'Read tickets, their comments and review state',
  'tickets:write': 'Create and work on tickets',
  'personas:read': 'Read personas',
  'personas:write': 'Create, change and delete personas',
  'knowledge:read': 'Read knowledge entries',
  'knowledge:write': 'Add and change knowledge entries',
  'rules:read': 'Read project rules',
  'rules:write': 'Change project rules',
  'agent_runs:read': 'Read agent runs',
  'agent_runs:write': 'Start and complete agent runs',
  'work_queues:read': 'Read work queues',
  'work_queues:write': 'Create and step work queues',
  'retrieval_audit:read': 'Read retrieval audits',
  'admin:*': 'Reserved; opens nothing yet',
} as const;

export type Scope = keyof typeof SCOPES;

/** Words keys may already carry although no route demands them yet; a scope leaves this list with its first route. */
export const SCOPES_WITHOUT_ROUTES: readonly Scope[] = [
  'tickets:read',
  'tickets:write',
  'personas:read',
  'personas:write',
  'knowledge:read',
  'knowledge:write',
  'rules:read',
  'rules:write',
  'agent_runs:read',
  'agent_runs:write',
  'work_queues:read',
  'work_queues:write',
  'retrieval_audit:read',
  'admin:*',
];

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
