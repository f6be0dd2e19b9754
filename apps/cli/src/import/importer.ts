import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { manifestIn, manifestOfArchive, membersOf, sessionIdOf, sha256Of, writeArchive } from './archive-file.js';
import { convertClaudeCode } from './claude-code.js';
import { type ImportClient, KeyRefused, type Outcome } from './import-client.js';
import type { Progress } from './progress.js';
import type { SessionSource } from './session-source.js';

export type Tally = Record<Outcome['kind'], number>;

interface Prepared {
  readonly id: string;
  readonly archive: string;
  readonly note: string;
}

export interface ImportTerms {
  readonly concurrency: number;
  /** Asks the server what is there, and changes nothing. */
  readonly isDryRun: boolean;
}

/** Takes sessions in one by one, some at a time; what fails keeps no other. Errors: KeyRefused ends it all. */
export async function importAll(
  sources: readonly SessionSource[],
  client: ImportClient,
  progress: Progress,
  terms: ImportTerms,
): Promise<Tally> {
  const tally: Tally = { imported: 0, updated: 0, unchanged: 0, skipped: 0, failed: 0 };
  const waiting = sources.values();
  let refused: KeyRefused | undefined;
  const work = async (): Promise<void> => {
    for (const source of waiting) {
      if (refused) return;
      try {
        const { outcome, note } = await importOne(source, client, terms.isDryRun);
        tally[outcome.kind] += 1;
        progress.item(lineOf(source.path, outcome, note, terms.isDryRun));
      } catch (error) {
        if (error instanceof KeyRefused) refused = error;
        else {
          tally.failed += 1;
          progress.item(lineOf(source.path, { kind: 'failed', reason: (error as Error).message }, '', false));
        }
      }
    }
  };
  await Promise.all(Array.from({ length: terms.concurrency }, work));
  if (refused) throw refused;
  return tally;
}

async function importOne(
  source: SessionSource,
  client: ImportClient,
  isDryRun: boolean,
): Promise<{ outcome: Outcome; note: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'roundhouse-import-'));
  try {
    const prepared = await prepare(source, folder);
    if (!prepared) return { outcome: { kind: 'skipped', reason: 'there is no message in it' }, note: '' };
    const { id, archive, note } = prepared;
    const known = await client.etagOf(id);
    if (known !== null && known === (await sha256Of(archive))) return { outcome: { kind: 'unchanged' }, note };
    if (isDryRun) return { outcome: { kind: known === null ? 'imported' : 'updated' }, note };
    return { outcome: await client.push(id, archive, known), note };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function prepare(source: SessionSource, folder: string): Promise<Prepared | null> {
  const { path } = source;
  if (source.kind === 'sfs-file') {
    const manifest = await manifestOfArchive(path);
    return { id: sessionIdOf(manifest, path), archive: path, note: '' };
  }
  const archive = join(folder, 'session.tar.gz');
  if (source.kind === 'sfs-folder') {
    const manifest = await manifestIn(path);
    await writeArchive(await membersOf(path), archive);
    return { id: sessionIdOf(manifest, path), archive, note: '' };
  }
  const converted = await convertClaudeCode(path, source.sidechains, folder);
  if (!converted) return null;
  await writeArchive(converted.members, archive);
  const bad = converted.badLines > 0 ? `, ${converted.badLines} bad lines left out` : '';
  return { id: converted.id, archive, note: ` (${converted.messages} messages${bad})` };
}

function lineOf(path: string, outcome: Outcome, note: string, isDryRun: boolean): string {
  const isChange = outcome.kind === 'imported' || outcome.kind === 'updated';
  const word = isDryRun && isChange ? `would be ${outcome.kind}` : outcome.kind;
  const reason = 'reason' in outcome ? `: ${outcome.reason}` : '';
  return `${word.padEnd(9)}  ${path}${note}${reason}`;
}
