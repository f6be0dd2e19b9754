import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/** The folder in which the server keeps a repository, found by its head, once its refs are written there. */
export async function storedRepo(server, client, slug) {
  const { commits } = await client.json('GET', `/v1/repos/${slug}/commits?limit=1`);
  const head = commits[0].sha;
  for (let tries = 0; tries < 100; tries += 1) {
    const found = repositories(join(server.dataDir, 'repos')).find((folder) => refsOf(folder).includes(head));
    if (found) return found;
    await pause(50);
  }
  throw new Error(`${slug} is not to be found in ${server.dataDir}`);
}

function repositories(root) {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name.endsWith('.git'))
    .map((entry) => join(entry.parentPath, entry.name));
}

function refsOf(folder) {
  const file = join(folder, 'packed-refs');
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}
