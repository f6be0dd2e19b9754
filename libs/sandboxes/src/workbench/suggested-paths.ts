/** A file or directory for an editor to suggest. */
export interface SuggestedPath {
  /** Below the checkout. */
  readonly value: string;
  /** With a slash behind a directory. */
  readonly display: string;
  readonly isDirectory: boolean;
}

const MAX_PATHS = 5_000;
/** Sorted and cut whenever this many are held: a list of any length costs little memory, and little time at once. */
const HELD = 2 * MAX_PATHS;

/** The files of `git ls-files -z` with the directories they are in: shallow ones first, then by name, at most 5,000. */
export function suggestedPaths(names: Buffer): SuggestedPath[] {
  const found = new Map<string, SuggestedPath>();
  const add = (value: string, isDirectory: boolean): void => {
    if (!found.has(value)) found.set(value, { value, display: isDirectory ? `${value}/` : value, isDirectory });
    if (found.size >= HELD) keep(found);
  };
  for (let at = 0, end = names.indexOf(0); end !== -1; at = end + 1, end = names.indexOf(0, at)) {
    const name = names.toString('utf8', at, end);
    for (let slash = name.indexOf('/'); slash !== -1; slash = name.indexOf('/', slash + 1))
      add(name.slice(0, slash), true);
    // A repository inside this one is listed as a directory, with a slash at its end.
    if (!name.endsWith('/')) add(name, false);
  }
  keep(found);
  return [...found.values()];
}

function keep(found: Map<string, SuggestedPath>): void {
  const kept = [...found.values()]
    .map((path) => ({ path, depth: path.value.split('/').length }))
    .sort((one, other) => one.depth - other.depth || (one.path.value < other.path.value ? -1 : 1))
    .slice(0, MAX_PATHS);
  found.clear();
  for (const { path } of kept) found.set(path.value, path);
}
