import { existsSync } from 'node:fs';
import { join } from 'node:path';

export interface OpenDatabase {
  readonly url: string;
  /** Stops the database if it was started here. */
  close(): Promise<void>;
}

interface OpenOptions {
  readonly dataDir: string;
  /** Use the embedded database of a server that already runs, instead of failing because it does. */
  readonly joinRunning?: boolean;
  /** Fail where no server has ever run, instead of making a new database. */
  readonly mustExist?: boolean;
  /** Where notes for the operator go; stdout unless a command prints its result there. */
  readonly report?: (line: string) => void;
  readonly onUnexpectedExit?: (reason: string) => void;
}

/** The database of DATABASE_URL, else the embedded one in the data folder. */
export async function openDatabase(env: NodeJS.ProcessEnv, options: OpenOptions): Promise<OpenDatabase> {
  const close = (): Promise<void> => Promise.resolve();
  if (env['DATABASE_URL']) return { url: env['DATABASE_URL'], close };
  // Loaded here, so that a command line that is refused is refused at once.
  const { EmbeddedPostgres, findRunningDatabase } = await import('#platform');
  const running = options.joinRunning ? await findRunningDatabase(join(options.dataDir, 'pg')) : undefined;
  if (running !== undefined) return { url: running.url, close };

  if (options.mustExist && !existsSync(join(options.dataDir, 'pg', 'data', 'PG_VERSION'))) {
    throw new Error(`There is no database in ${options.dataDir}; set DATA_DIR or DATABASE_URL as the server has it.`);
  }
  const postgres = new EmbeddedPostgres({
    dataDir: options.dataDir,
    report: options.report ?? ((line) => console.log(line)),
    ...(options.onUnexpectedExit && { onUnexpectedExit: options.onUnexpectedExit }),
  });
  const { url } = await postgres.start();
  return { url, close: () => postgres.stop() };
}
