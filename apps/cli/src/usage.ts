import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';

/** Thrown for a command line that cannot be understood; exit code 2. */
export class UsageError extends Error {}

type Options = Readonly<Record<string, string>>;

/** The options of a subcommand, each of which takes a value. @throws UsageError with `usage` */
export function readOptions(args: readonly string[], names: readonly string[], usage: string): Options {
  const options: ParseArgsOptionsConfig = Object.fromEntries(names.map((name) => [name, { type: 'string' }]));
  try {
    return { ...parseArgs({ args: [...args], options, allowPositionals: false }).values } as Options;
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${usage}`, { cause: error });
  }
}
