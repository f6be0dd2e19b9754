import { lstatSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { isBuilt, ROOT } from '../../scripts/set-up.mjs';

/** Tests and what only tests import are not in dist/. */
const NOT_COMPILED = /[.-]spec\.ts$|\/testing\//;

/** The compiled file of a source under apps/ or libs/; any other file is its own. */
export function compiledFile(path) {
  return path.endsWith('.ts') ? join(ROOT, 'dist', relative(ROOT, path).replace(/\.ts$/, '.js')) : path;
}

/** Whether dist/ holds what the sources say: by the stamp of scripts/set-up.mjs, or after a build without it by times. */
export function isCurrent() {
  return isBuilt() || sources().every((source) => modifiedAt(source) <= modifiedAt(compiledFile(source)));
}

function sources() {
  return ['apps', 'libs'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true })
      .map((name) => join(ROOT, folder, name))
      .filter((path) => path.endsWith('.ts') && !NOT_COMPILED.test(path)),
  );
}

function modifiedAt(path) {
  return lstatSync(path, { throwIfNoEntry: false })?.mtimeMs ?? -Infinity;
}
