import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { loadConfig } from '#platform';
import { writeTrustedCertificates } from './trusted-certificates.js';

const OWN = '-----BEGIN CERTIFICATE-----\nown\n-----END CERTIFICATE-----';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'certificates-'));
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

function write(added?: string): Promise<string | null> {
  const env = { DATABASE_URL: 'postgres://somewhere/db', DATA_DIR: folder, NODE_EXTRA_CA_CERTS: added };
  return writeTrustedCertificates(loadConfig(env));
}

describe('what git trusts', () => {
  it('is its own choice when the operator adds nothing', async () => {
    expect(await write()).toBeNull();
    expect(await readdir(folder)).toEqual([]);
  });

  it('is what the operator adds besides the usual, in one file that is replaced as a whole', async () => {
    await writeFile(join(folder, 'own.pem'), OWN);
    const path = await write(join(folder, 'own.pem'));
    await write(join(folder, 'own.pem'));
    const text = await readFile(path!, 'utf8');
    expect(text).toContain(OWN);
    expect(text).toContain(rootCertificates[0]);
    expect((await readdir(folder)).sort()).toEqual(['git-certificates.pem', 'own.pem']);
  });

  it('is refused when it cannot be read or holds no certificate, by the name of the setting', async () => {
    await expect(write(join(folder, 'absent.pem'))).rejects.toThrow(/^NODE_EXTRA_CA_CERTS cannot be read/);
    await writeFile(join(folder, 'empty.pem'), '');
    await expect(write(join(folder, 'empty.pem'))).rejects.toThrow('NODE_EXTRA_CA_CERTS has no certificate in it');
  });
});
