/** Files that programs write: nobody reads their diff, and they would crowd out the others'. */
const NAMES = [
  'bun.lock',
  'bun.lockb',
  'Cargo.lock',
  'composer.lock',
  'deno.lock',
  'flake.lock',
  'Gemfile.lock',
  'go.sum',
  'gradle.lockfile',
  'mix.lock',
  'npm-shrinkwrap.json',
  'package-lock.json',
  'Package.resolved',
  'packages.lock.json',
  'pdm.lock',
  'Pipfile.lock',
  'pnpm-lock.yaml',
  'Podfile.lock',
  'poetry.lock',
  'pubspec.lock',
  'uv.lock',
  'yarn.lock',
];
const SUFFIXES = ['.min.js', '.min.css', '.js.map', '.css.map'];

export function isGenerated(path: string): boolean {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return NAMES.includes(name) || SUFFIXES.some((suffix) => name.endsWith(suffix));
}

/** The same as pathspecs that leave them out. */
export const WITHOUT_GENERATED: readonly string[] = [...NAMES, ...SUFFIXES.map((suffix) => `*${suffix}`)].map(
  (pattern) => `:(exclude,glob)**/${pattern}`,
);
