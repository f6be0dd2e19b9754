/** Every command, with what `roundhouse help` says about it. */
export const SUMMARIES = {
  start: 'Start the server (and its database, when DATABASE_URL is unset)',
  migrate: 'Bring the database schema up to date and exit',
  doctor: 'Name what this machine lacks, and the line that fixes it',
  admin: 'Mint a key, set a tier, list users: for when nobody can log in',
  audit: 'Verify the sealed audit log, or print the key that its seals are checked with',
  import: 'Push a folder of .sfs sessions, or the conversations of Claude Code, to a server',
  help: 'Show this list',
} as const;

export type CommandName = keyof typeof SUMMARIES;
