import { join } from 'node:path';
import { createDataDir, dataDirOf } from '../data-dir.js';
import { openDatabase } from '../open-database.js';
import { StopSignal } from '../stop-signal.js';

interface Closeable {
  close(): Promise<void>;
}

/** Serves until SIGINT or SIGTERM: then the server drains, and the database stops last. */
export async function run(env: NodeJS.ProcessEnv): Promise<number> {
  const stop = new StopSignal();
  const opened: Closeable[] = [];
  const failure = await serve(env, stop, opened).catch((error: unknown) =>
    // The terminal's ctrl-C also reaches the programs that a start is waiting for.
    stop.isRequested ? undefined : readable(error, env),
  );
  const problems = [failure, ...(await closeAll(opened))].filter((problem) => problem !== undefined);
  for (const problem of problems) console.error(problem);
  return problems.length === 0 ? 0 : 1;
}

/** Resolves when the operator wants to stop, or with the reason why the server cannot go on. */
async function serve(env: NodeJS.ProcessEnv, stop: StopSignal, opened: Closeable[]): Promise<string | undefined> {
  const dataDir = dataDirOf(env);
  createDataDir(dataDir);
  let reportFailure: (reason: string) => void;
  const failed = new Promise<string>((resolve) => (reportFailure = resolve));

  const database = await openDatabase(env, { dataDir, onUnexpectedExit: (reason) => reportFailure(reason) });
  opened.push(database);
  if (stop.isRequested) return undefined;

  const { migrate } = await import('../../../server/src/migrations/migrate.js');
  await migrate(database.url);
  if (stop.isRequested) return undefined;

  const { startServer } = await import('../../../server/src/main.js');
  const server = await startServer({ ...env, DATA_DIR: dataDir, DATABASE_URL: database.url });
  opened.push(server);

  console.log(`Roundhouse is ready: ${server.url}`);
  console.log(`API docs: ${server.url}/api/docs`);
  console.log(`First admin key: ${join(dataDir, 'admin.key')}`);
  const failure = await Promise.race([stop.requested, failed]);
  if (failure === undefined) console.log('Stopping.');
  return failure ?? undefined;
}

/** Closes in the opposite order, each one even when another fails; returns what went wrong. */
async function closeAll(opened: readonly Closeable[]): Promise<string[]> {
  const problems: string[] = [];
  for (const thing of [...opened].reverse()) {
    await thing.close().catch((error: unknown) => problems.push(String(error)));
  }
  return problems;
}

function readable(error: unknown, env: NodeJS.ProcessEnv): string {
  if (!(error instanceof Error)) return String(error);
  if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') {
    return `Port ${env['PORT'] || 8080} is in use. Stop what uses it, or set PORT.`;
  }
  const verbose = ['debug', 'trace'].includes(env['LOG_LEVEL'] ?? '');
  return (verbose && error.stack) || error.message;
}
