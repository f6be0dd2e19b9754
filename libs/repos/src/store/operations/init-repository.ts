import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { mutator } from '../operation.js';
import { syncFolder } from '../sync-folder.js';

const FOLDERS = ['objects/pack', 'objects/info', 'refs/heads', 'refs/tags', 'info'];
const CONFIG = '[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n';

/**
 * Creates an empty bare repository, durable when it returns. Repeating it changes nothing; a half-made one from a
 * crash is completed. `HEAD` comes last, as git takes a directory for a repository by it.
 */
export const initRepository = mutator(({ dir }, input: { readonly defaultBranch: string }): void => {
  const firstCreated = mkdirSync(dir, { recursive: true });
  for (const folder of FOLDERS) mkdirSync(join(dir, folder), { recursive: true });
  writeOnce(dir, 'config', CONFIG);
  writeOnce(dir, 'HEAD', `ref: refs/heads/${input.defaultBranch}\n`);
  for (const folder of ['objects/pack', 'objects/info', 'objects', 'refs/heads', 'refs/tags', 'refs', 'info', '.']) {
    syncFolder(join(dir, folder));
  }
  // The new names must be durable too, up to the first folder that existed before.
  const top = dirname(firstCreated ?? dir);
  for (let folder = dirname(dir); ; folder = dirname(folder)) {
    syncFolder(folder);
    if (folder === top || folder === dirname(folder)) break;
  }
});

function writeOnce(dir: string, name: string, text: string): void {
  if (existsSync(join(dir, name))) return;
  const temporary = join(dir, `tmp_${name}`);
  const fd = openSync(temporary, 'w');
  try {
    writeSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, join(dir, name));
}
