import { head } from './bounded-text.js';
import { isJsonObject, type JsonObject, type JsonValue } from './json.js';
import { shellSegments, type ShellSegment } from './shell-words.js';

const MAX_COMMAND = 20_000;
const MAX_PATH = 1000;
const MAX_PATHS = 200;

export type ActionKind = 'command' | 'write' | 'read' | 'search' | 'agent' | 'other';

/** What a tool call sets out to do, whatever the agent calls the tool. Bounded, so that it can be kept. */
export interface Action {
  readonly kind: ActionKind;
  readonly tool: string;
  /** The shell line of a command, else null. */
  readonly command: string | null;
  readonly segments: readonly ShellSegment[];
  readonly writes: readonly string[];
  readonly reads: readonly string[];
  readonly deletes: readonly string[];
}

/** Names as Claude Code, Codex, Gemini CLI, Copilot, Cursor, Cline, OpenCode, Amp and Goose write them, lower case. */
const KINDS: Readonly<Record<Exclude<ActionKind, 'other'>, readonly string[]>> = {
  command:
    'bash shell local_shell local_shell_call exec exec_command shell_command container.exec run_shell_command terminal execute_command run_terminal_cmd run_terminal_command run_in_terminal developer__shell powershell bash_tool run_command unified_exec'.split(
      ' ',
    ),
  write:
    'write edit multiedit notebookedit write_file create_file write_to_file edit_file replace replace_in_file replace_string_in_file multi_replace_string_in_file insert_edit_into_file str_replace_editor str_replace_based_edit_tool text_editor developer__text_editor apply_patch apply_diff create_and_edit_file search_replace edit_notebook delete_file patch multi_edit insert_content str_replace'.split(
      ' ',
    ),
  read: 'read read_file read_many_files view notebookread view_file view_image cat list_directory ls list_dir list_files fs_read'.split(
    ' ',
  ),
  search:
    'glob grep search_file_content search_files grep_search file_search codebase_search semantic_search find_files search ripgrep finder'.split(
      ' ',
    ),
  agent:
    'task agent spawn_agent subagent run_subagent new_task dispatch_agent delegate oracle codebase_investigator'.split(
      ' ',
    ),
};

const KIND_OF = new Map<string, ActionKind>(
  Object.entries(KINDS).flatMap(([kind, names]) => names.map((name) => [name, kind as ActionKind])),
);

/** Tools of MCP servers say what they do in their name at best. */
const GUESSES: readonly (readonly [RegExp, ActionKind])[] = [
  [/(write|create|edit|update|patch|replace|insert)_?(file|text|content)|^(write|edit)/, 'write'],
  [/(run|exec|execute)_?(shell|command|bash|terminal)|shell|bash/, 'command'],
  [/(read|view|open|cat)_?(file|text|multiple_files)|list_?(dir|files)/, 'read'],
  [/grep|glob|search_?(file|code)/, 'search'],
  [/sub_?agent|delegate/, 'agent'],
];

function kindOf(tool: string): ActionKind {
  const name = tool.toLowerCase();
  const known = KIND_OF.get(name);
  if (known !== undefined) return known;
  const last = name.split(/__|[.:/]/).at(-1) ?? name;
  return KIND_OF.get(last) ?? GUESSES.find(([pattern]) => pattern.test(last))?.[1] ?? 'other';
}

/** Reads one call. Never throws; wrong types read as absent. */
export function actionOf(tool: string, input: JsonObject): Action {
  const name = head(tool, 200);
  const kind = kindOf(name);
  const base = { kind, tool: name, command: null, segments: [], writes: [], reads: [], deletes: [] };
  switch (kind) {
    case 'command':
      return commandAction(name, commandOf(input));
    case 'write':
      return { ...base, ...writeTargets(name, input) };
    case 'read':
    case 'search':
      return { ...base, reads: pathsOf(input) };
    case 'agent':
    case 'other':
      return base;
  }
}

function commandAction(tool: string, command: string): Action {
  const segments = shellSegments(command);
  const patched = command.includes('*** Begin Patch') ? patchTargets(command) : { writes: [], deletes: [] };
  return {
    kind: 'command',
    tool,
    command,
    segments,
    writes: paths([...patched.writes, ...segments.flatMap(writtenBy)]),
    reads: [],
    deletes: paths([...patched.deletes, ...segments.flatMap(deletedBy)]),
  };
}

/** The shell line: text, or the argument list of Codex, whose `bash -lc` wrapper is taken off. */
function commandOf(input: JsonObject): string {
  const value = input.command ?? input.cmd ?? input.script ?? input.code ?? input.input;
  if (typeof value === 'string') return head(value, MAX_COMMAND);
  if (isJsonObject(value)) return commandOf(value);
  if (!Array.isArray(value)) return '';
  const words = (value as readonly JsonValue[]).filter((word): word is string => typeof word === 'string');
  const [shell = '', option = '', script] = words;
  const isWrapped = /(^|\/)(ba|z|da|k)?sh$/.test(shell) && /^-[a-z]*c$/.test(option) && script !== undefined;
  return head(isWrapped ? script : words.join(' '), MAX_COMMAND);
}

const PATH_FIELDS = [
  'file_path',
  'filePath',
  'path',
  'absolute_path',
  'target_file',
  'notebook_path',
  'filename',
  'file',
];
const PATH_LIST_FIELDS = ['paths', 'file_paths', 'filePaths', 'files', 'edits', 'replacements', 'changes'];

/** The paths an input names, one by one or in a list of paths or of objects with a path. */
function pathsOf(input: JsonObject): string[] {
  const single = PATH_FIELDS.map((field) => input[field]);
  const listed = PATH_LIST_FIELDS.flatMap((field) => {
    const value = input[field];
    return Array.isArray(value) ? (value as readonly JsonValue[]).slice(0, MAX_PATHS) : [];
  }).flatMap((item) => (isJsonObject(item) ? PATH_FIELDS.map((field) => item[field]) : [item]));
  return paths([...single, ...listed].filter((path): path is string => typeof path === 'string'));
}

function writeTargets(tool: string, input: JsonObject): Pick<Action, 'kind' | 'writes' | 'reads' | 'deletes'> {
  const patch = [input.input, input.patch, input.patchText, input.diff].find((text) => typeof text === 'string');
  const targets = typeof patch === 'string' ? patchTargets(patch) : { writes: [], deletes: [] };
  const named = pathsOf(input);
  // The text editor tools of Anthropic's API read, too: their command says which it is.
  if (input.command === 'view') return { kind: 'read', writes: [], reads: named, deletes: [] };
  if (/delete/i.test(tool)) return { kind: 'write', writes: [], reads: [], deletes: named };
  return { kind: 'write', writes: paths([...named, ...targets.writes]), reads: [], deletes: paths(targets.deletes) };
}

/** The files of a patch in the form of Codex (`*** Add File: …`) or of diff (`+++ b/…`). */
function patchTargets(patch: string): { writes: string[]; deletes: string[] } {
  const writes: string[] = [];
  const deletes: string[] = [];
  for (const line of head(patch, 1_000_000).split('\n')) {
    const [, what, path] = /^\*\*\* (Add|Update|Delete) File: (\S.{0,999})$/.exec(line) ?? [];
    const moved = /^\*\*\* Move to: (\S.{0,999})$/.exec(line)?.[1] ?? /^\+\+\+ b\/(\S.{0,999})$/.exec(line)?.[1];
    if (path !== undefined) (what === 'Delete' ? deletes : writes).push(path.trim());
    if (moved !== undefined) writes.push(moved.trim());
  }
  return { writes, deletes };
}

const isOption = (word: string): boolean => word.startsWith('-');

function writtenBy({ words, writesTo }: ShellSegment): readonly string[] {
  const [program = '', ...rest] = words;
  const names = rest.filter((word) => !isOption(word));
  switch (program.split('/').at(-1)) {
    case 'tee':
    case 'touch':
      return [...names, ...writesTo];
    case 'cp':
    case 'mv':
      return [...names.slice(-1), ...writesTo];
    case 'git':
      return names[0] === 'mv' ? names.slice(-1) : writesTo;
    case 'sed':
    case 'perl':
      return rest.some((word) => /^-[a-z]*i/.test(word) || word === '--in-place') ? names.slice(1) : writesTo;
    default:
      return writesTo;
  }
}

function deletedBy({ words }: ShellSegment): readonly string[] {
  const [program = '', ...rest] = words;
  const names = rest.filter((word) => !isOption(word));
  if (program === 'rm' || program === 'unlink' || program === 'rmdir') return names;
  if (program === 'mv') return names.slice(0, -1);
  return program === 'git' && (names[0] === 'rm' || names[0] === 'mv') ? names.slice(1) : [];
}

/** Distinct, bounded, without a leading `./`. */
function paths(names: readonly string[]): string[] {
  const clean = names.map((name) => head(name.trim(), MAX_PATH).replace(/^\.\//, '')).filter((name) => name !== '');
  return [...new Set(clean)].slice(0, MAX_PATHS);
}
