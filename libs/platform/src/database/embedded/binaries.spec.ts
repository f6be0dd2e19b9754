import { existsSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { completeLinks, locateBinaries } from './binaries.js';

describe('the PostgreSQL binaries', () => {
  it('are found through the npm package, with their major version', () => {
    const { initdb, postgres, major } = locateBinaries();

    expect([initdb, postgres].every((program) => existsSync(program))).toBe(true);
    expect(major).toBe(18);
  });

  it('get the links that an install without scripts left out, and keep those there are', () => {
    const root = mkdtempSync(join(tmpdir(), 'rh-links-'));
    mkdirSync(join(root, 'native/lib'), { recursive: true });
    writeFileSync(join(root, 'native/lib/libpq.so.5.18'), 'library');
    const links = ['libpq.so', 'libpq.so.5'].map((name) => ({
      source: 'native/lib/libpq.so.5.18',
      target: `native/lib/${name}`,
    }));
    writeFileSync(join(root, 'native/pg-symlinks.json'), JSON.stringify(links));

    completeLinks(root);
    completeLinks(root);

    expect(readlinkSync(join(root, 'native/lib/libpq.so'))).toBe('libpq.so.5.18');
    expect(readFileSync(join(root, 'native/lib/libpq.so.5'), 'utf8')).toBe('library');
    rmSync(root, { recursive: true });
  });
});
