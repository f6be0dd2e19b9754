import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { readLines } from './lines.js';

/** One session on this machine. */
export type SessionSource =
  | { readonly kind: 'sfs-folder'; readonly path: string }
  | { readonly kind: 'sfs-file'; readonly path: string }
  /** A conversation of Claude Code with those of its sub-agents. */
  | { readonly kind: 'claude-code'; readonly path: string; readonly sidechains: readonly string[] };

/**
 * The sessions in a folder, sorted by path: `*.sfs` folders and archives, Claude Code's `<session>.jsonl`, and both in the
 * folders right below (`~/.claude/projects` holds one folder for each project).
 */
export async function findSessions(folder: string): Promise<SessionSource[]> {
  if (!(await stat(folder)).isDirectory()) throw new Error(`${folder} is not a folder`);
  if (folder.replace(/\/+$/, '').endsWith('.sfs')) return [{ kind: 'sfs-folder', path: folder }];
  const found: SessionSource[] = [];
  const entries = await entriesOf(folder);
  found.push(...(await sessionsIn(folder, entries)));
  for (const entry of entries) {
    if (!entry.isDirectory() || entry.name.endsWith('.sfs')) continue;
    const below = join(folder, entry.name);
    found.push(...(await sessionsIn(below, await entriesOf(below))));
  }
  return found;
}

async function entriesOf(folder: string): Promise<Dirent[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function sessionsIn(folder: string, entries: readonly Dirent[]): Promise<SessionSource[]> {
  const logs = entries.filter((entry) => entry.isFile() && entry.name.endsWith('.jsonl')).map(({ name }) => name);
  const agents = await agentsBySession(
    folder,
    logs.filter((name) => name.startsWith('agent-')),
  );
  const found: SessionSource[] = [];
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (/\.sfs$/.test(entry.name) && entry.isDirectory()) found.push({ kind: 'sfs-folder', path });
    else if (/\.(sfs|tar\.gz)$/.test(entry.name) && entry.isFile()) found.push({ kind: 'sfs-file', path });
    else if (logs.includes(entry.name) && !entry.name.startsWith('agent-')) {
      const session = basename(entry.name, '.jsonl');
      const below = await subAgentsOf(join(folder, session, 'subagents'));
      found.push({ kind: 'claude-code', path, sidechains: [...(agents.get(session) ?? []), ...below] });
    }
  }
  return found;
}

/** Older versions put sub-agents beside their session, which only their lines name. */
async function agentsBySession(folder: string, names: readonly string[]): Promise<Map<string, string[]>> {
  const agents = new Map<string, string[]>();
  for (const name of names) {
    const path = join(folder, name);
    const session = await sessionNamedIn(path);
    if (session !== null) agents.set(session, [...(agents.get(session) ?? []), path]);
  }
  return agents;
}

async function sessionNamedIn(path: string): Promise<string | null> {
  for await (const line of readLines(path)) {
    const session = line.value?.['sessionId'];
    if (typeof session === 'string') return session;
  }
  return null;
}

async function subAgentsOf(folder: string): Promise<string[]> {
  try {
    return (await entriesOf(folder))
      .filter(({ name }) => name.endsWith('.jsonl'))
      .map(({ name }) => join(folder, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
