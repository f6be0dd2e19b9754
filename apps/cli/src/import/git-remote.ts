import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The `origin` of the repository a conversation was held in, if it is still there; without a password in it. */
export async function remoteOf(folder: string | null): Promise<string | null> {
  if (folder === null) return null;
  let config: string;
  try {
    config = await readFile(join(folder, '.git', 'config'), 'utf8');
  } catch (error) {
    // Gone, not a repository, a worktree, or not ours to read: the conversation is imported all the same.
    if ((error as NodeJS.ErrnoException).code !== undefined) return null;
    throw error;
  }
  const section = /\[remote "origin"\]([^[]*)/.exec(config)?.[1];
  const url = section === undefined ? null : (/^\s*url\s*=\s*(\S+)/m.exec(section)?.[1] ?? null);
  return url && url.replace(/^(https?:\/\/)[^/@]*@/, '$1');
}
