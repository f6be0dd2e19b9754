/**
 * The import table of the design: which lib may import which. The dependency-cruiser rules are generated from it and
 * ARCHITECTURE.md prints it, so this is the only place to change it. A lib keeps its row here before it exists.
 */
export const IMPORT_TABLE = {
  kernel: [],
  platform: ['kernel'],
  accounts: ['kernel', 'platform'],
  auth: ['kernel', 'platform', 'accounts'],
  repos: ['kernel', 'platform', 'accounts'],
  sandboxes: ['kernel', 'platform', 'accounts', 'repos'],
  sessions: ['kernel', 'platform', 'accounts', 'sandboxes'],
  knowledge: ['kernel', 'platform', 'accounts', 'sessions'],
  tickets: ['kernel', 'platform', 'accounts', 'knowledge', 'sessions'],
  'apps/runner': ['kernel'],
  apps: 'everything',
} as const satisfies Readonly<Record<string, readonly string[] | 'everything'>>;

/** The libs of the table, lowest first. */
export const LIBS: readonly string[] = Object.keys(IMPORT_TABLE).filter((name) => !name.startsWith('apps'));

/** What a row's owner may import, itself excluded. */
export function allowedImports(owner: string): readonly string[] {
  const allowed = (IMPORT_TABLE as Readonly<Record<string, readonly string[] | 'everything'>>)[owner];
  if (allowed === undefined) throw new Error(`${owner} has no row in the import table`);
  return allowed === 'everything' ? LIBS : allowed;
}

/** The rows as ARCHITECTURE.md prints them: owner, then what it may import. */
export function tableRows(): readonly (readonly [string, string])[] {
  return Object.entries(IMPORT_TABLE).map(([owner, allowed]) => [
    owner,
    allowed === 'everything' ? allowed : allowed.join(', ') || '–',
  ]);
}
