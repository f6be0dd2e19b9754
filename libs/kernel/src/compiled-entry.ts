import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Absolute path of a compiled program of this package, e.g. `apps/runner/src/main.js`. Worker threads and child
 * processes start from `dist/` whether their parent runs compiled or is transformed by the test runner.
 */
export function compiledEntry(relative: string): string {
  return join(packageRoot(), 'dist', relative);
}

/** The folder of this package's package.json. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error('package.json not found above ' + import.meta.url);
    folder = parent;
  }
  return folder;
}
