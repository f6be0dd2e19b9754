/**
 * The one place that decides how git is run: its environment is built from nothing, its configuration comes from
 * here and the repository's own file only, hooks and network protocols are off.
 */
const CONFIG: Readonly<Record<string, string>> = {
  'safe.directory': '*',
  'core.hooksPath': '/dev/null',
  // Added to git's default set, which already syncs packs, their indexes and commit graphs.
  'core.fsync': 'committed',
  'core.fsyncMethod': 'batch',
  'core.alternateRefsCommand': 'true',
  'core.bigFileThreshold': '16m',
  'core.fsmonitor': 'false',
  'gc.auto': '0',
  'maintenance.auto': 'false',
  'pack.threads': '1',
  'pack.windowMemory': '64m',
  'protocol.allow': 'never',
  'protocol.file.allow': 'never',
  'protocol.ext.allow': 'never',
  'transfer.fsckObjects': 'true',
};

export interface GitCommand {
  /** The repository. */
  readonly repo: string;
  /** Where git runs: the working tree, or the repository itself when left out. */
  readonly folder?: string;
  readonly args: readonly string[];
  readonly config?: Readonly<Record<string, string>>;
  /** Absolute path of a quarantine: new objects go there, the repository's own are read through its alternates. */
  readonly quarantine?: string | undefined;
  /** A validated GIT_PROTOCOL. */
  readonly protocol?: string | null;
  /** Largest single allocation git may make; stops bombs that claim huge objects. */
  readonly allocationLimit?: string;
}

const PROTOCOL = /^[\w=:.-]{1,64}$/;

/** The environment of a git child: built from nothing but the folders where programs are found. */
export function gitEnvironment(command: GitCommand, searchPath: string): Record<string, string> {
  const env: Record<string, string> = {
    PATH: searchPath,
    HOME: '/nonexistent',
    LC_ALL: 'C',
    GIT_DIR: command.repo,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_NO_REPLACE_OBJECTS: '1',
    ...configEnvironment({ ...CONFIG, ...command.config }),
  };
  if (command.quarantine) {
    env['GIT_OBJECT_DIRECTORY'] = command.quarantine;
    env['GIT_QUARANTINE_PATH'] = command.quarantine;
  }
  if (command.protocol && PROTOCOL.test(command.protocol)) env['GIT_PROTOCOL'] = command.protocol;
  if (command.allocationLimit) env['GIT_ALLOC_LIMIT'] = command.allocationLimit;
  return env;
}

function configEnvironment(config: Readonly<Record<string, string>>): Record<string, string> {
  const env: Record<string, string> = {};
  const entries = Object.entries(config);
  env['GIT_CONFIG_COUNT'] = String(entries.length);
  entries.forEach(([key, value], index) => {
    env[`GIT_CONFIG_KEY_${index}`] = key;
    env[`GIT_CONFIG_VALUE_${index}`] = value;
  });
  return env;
}
