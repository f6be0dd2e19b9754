import { type CommandName, SUMMARIES } from './summaries.js';

/** One command of the CLI. */
interface Command {
  /** Does its work and resolves to the exit code; throws an Error whose message is for the operator. */
  run(env: NodeJS.ProcessEnv, args: readonly string[]): Promise<number>;
}

/** Commands are loaded when called, so that a cheap one starts fast. */
export const COMMANDS: Readonly<Record<CommandName, () => Promise<Command>>> = {
  start: () => import('./commands/start.js'),
  migrate: () => import('./commands/migrate.js'),
  doctor: () => import('./commands/doctor.js'),
  admin: () => import('./commands/admin.js'),
  audit: () => import('./commands/audit.js'),
  import: () => import('./commands/import.js'),
  help: () => import('./commands/help.js'),
};

/** Commands with words and options of their own; the others take none. */
const WITH_ARGUMENTS: ReadonlySet<CommandName> = new Set(['admin', 'audit', 'import']);

export function takesArguments(name: CommandName): boolean {
  return WITH_ARGUMENTS.has(name);
}

export function isCommand(name: string): name is CommandName {
  return Object.hasOwn(SUMMARIES, name);
}
