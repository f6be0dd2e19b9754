import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { getCACertificates, rootCertificates } from 'node:tls';
import type { AppConfig } from '#platform';

const NAME = 'git-certificates.pem';

/**
 * What git is to trust when the operator trusts more than the usual: a file of all of it, since git takes one in the place
 * of its own. Null when nothing was added. @throws Error naming the setting when its file cannot be used
 */
export async function writeTrustedCertificates(config: AppConfig): Promise<string | null> {
  const added = config.NODE_EXTRA_CA_CERTS;
  if (added === undefined) return null;
  const text = await readFile(added, 'utf8').catch((error: unknown) => {
    throw new Error(`NODE_EXTRA_CA_CERTS cannot be read: ${String(error)}`);
  });
  if (!text.includes('-----BEGIN CERTIFICATE-----')) throw new Error('NODE_EXTRA_CA_CERTS has no certificate in it');
  const all = new Set([...rootCertificates, ...getCACertificates('system'), text.trim()]);
  const folder = resolve(config.DATA_DIR);
  const path = join(folder, NAME);
  const part = `${path}.${randomUUID()}`;
  await mkdir(folder, { recursive: true });
  // By a rename: another process of the same server may be reading it.
  await writeFile(part, `${[...all].join('\n')}\n`, { mode: 0o644 });
  await rename(part, path);
  return path;
}
