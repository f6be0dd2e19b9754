import { parseArgs } from 'node:util';
import { ImportClient } from '../import/import-client.js';
import { importAll } from '../import/importer.js';
import { Progress } from '../import/progress.js';
import { findSessions } from '../import/session-source.js';
import { UsageError } from '../usage.js';

const USAGE = `Usage: roundhouse import <folder> [--url <server>] [--key <key>] [--concurrency <1-16>] [--dry-run]

<folder> holds .sfs sessions (~/.sessionfs/sessions) or Claude Code's projects (~/.claude/projects, or one of them).
The server and key may also be in ROUNDHOUSE_URL (default http://127.0.0.1:8080) and ROUNDHOUSE_API_KEY.`;

/** Pushes the sessions of a folder to a server. Exits with 1 when one failed; running it again takes up the rest. */
export async function run(env: NodeJS.ProcessEnv, args: readonly string[]): Promise<number> {
  const { folder, url, key, concurrency, isDryRun } = readCommand(env, args);
  const sources = await findSessions(folder);
  const progress = new Progress(sources.length);
  try {
    const tally = await importAll(sources, new ImportClient(url, key), progress, { concurrency, isDryRun });
    progress.end();
    const counts = Object.entries(tally).map(([kind, count]) => `${count} ${kind}`);
    console.log(`${sources.length} sessions${isDryRun ? ' (nothing was sent)' : ''}: ${counts.join(', ')}`);
    return tally.failed > 0 ? 1 : 0;
  } finally {
    progress.end();
  }
}

interface ImportCommand {
  readonly folder: string;
  readonly url: string;
  readonly key: string;
  readonly concurrency: number;
  readonly isDryRun: boolean;
}

function readCommand(env: NodeJS.ProcessEnv, args: readonly string[]): ImportCommand {
  const text = { type: 'string' } as const;
  const options = { url: text, key: text, concurrency: text, 'dry-run': { type: 'boolean' } } as const;
  let parsed;
  try {
    parsed = parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${USAGE}`, { cause: error });
  }
  const { values, positionals } = parsed;
  const [folder] = positionals;
  const url = values.url ?? env['ROUNDHOUSE_URL'] ?? 'http://127.0.0.1:8080';
  const key = values.key ?? env['ROUNDHOUSE_API_KEY'];
  const concurrency = Number(values.concurrency ?? 3);
  if (folder === undefined || positionals.length > 1) throw new UsageError(USAGE);
  if (!/^https?:\/\//.test(url) || !URL.canParse(url))
    throw new UsageError(`${url} is no address of a server.\n${USAGE}`);
  if (!key) throw new UsageError(`There is no key.\n${USAGE}`);
  if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > 16) throw new UsageError(USAGE);
  return { folder, url, key, concurrency, isDryRun: values['dry-run'] === true };
}
