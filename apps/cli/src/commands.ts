/** One command of the CLI. */
export interface Command {
  /** Does its work and resolves to the exit code; throws an Error whose message is for the operator. */
  run(env: NodeJS.ProcessEnv): Promise<number>;
}

interface CommandEntry {
  readonly summary: string;
  /** Commands are loaded when called: `help` and `doctor` must work where the server cannot. */
  load(): Promise<Command>;
}

export const COMMANDS = {
  start: { summary: 'Start the server (and its database, when DATABASE_URL is unset)', load: () => import('./commands/start.js') },
  migrate: { summary: 'Bring the database schema up to date and exit', load: () => import('./commands/migrate.js') },
  doctor: { summary: 'Name what this machine lacks, and the line that fixes it', load: () => import('./commands/doctor.js') },
  help: { summary: 'Show this list', load: () => import('./commands/help.js') },
} satisfies Record<string, CommandEntry>;

export function isCommand(name: string): name is keyof typeof COMMANDS {
  return Object.hasOwn(COMMANDS, name);
}
