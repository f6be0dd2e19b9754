interface ServerEntry {
  startServer(env: NodeJS.ProcessEnv): Promise<{ url: string; close(): Promise<void> }>;
}

interface MigrationsEntry {
  migrate(databaseUrl: string): Promise<void>;
}

/** The server is loaded when a command needs it: `help` and `doctor` must work where it cannot. */
export async function loadServer(): Promise<ServerEntry> {
  const entry: string = '../../server/src/main.js';
  return (await import(entry)) as ServerEntry;
}

export async function loadMigrations(): Promise<MigrationsEntry> {
  const entry: string = '../../server/src/migrations/index.js';
  return (await import(entry)) as MigrationsEntry;
}
