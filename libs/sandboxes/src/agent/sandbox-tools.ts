import { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import { type ExitFacts, type SandboxPlace, SandboxProvider } from '../provider/sandbox-provider.js';
import { WORKSPACE_INSIDE } from '../workspace/located.js';
import { Preconditions } from '../workspace/preconditions.js';
import { type FileView, WorkspaceFiles } from '../workspace/workspace-files.js';
import type { AgentTool, ToolAnswer } from './agent-loop.js';

/** What an agent's tools work on: one scope for its commands and its files. */
export interface AgentSurroundings {
  readonly view: FileView;
  readonly place: SandboxPlace;
  /** Where relative paths start, below the workspace; '' for the workspace itself. */
  readonly base: string;
  /** A command is about to run. */
  readonly onCommand?: () => void;
}

const COMMAND_MS = 120_000;
const MAX_COMMAND_MS = 1_800_000;
/** Of one answer: what is longer fills the model's memory with one file. */
const MAX_ANSWER_BYTES = 65_536;
const MAX_ENTRIES = 1_000;
const PATH = { type: 'string', description: 'Relative to the working directory, or absolute' };

/** The tools that every agent has: commands and files of its sandbox. */
@Injectable()
export class SandboxTools {
  constructor(
    private readonly provider: SandboxProvider,
    private readonly files: WorkspaceFiles,
  ) {}

  of(where: AgentSurroundings): AgentTool[] {
    return [this.exec(where), this.readFile(where), this.writeFile(where), this.listFiles(where)];
  }

  private exec({ place, base, onCommand }: AgentSurroundings): AgentTool {
    return {
      name: 'exec',
      description: 'Run a shell command in the sandbox and read what it prints. It has no terminal and no input.',
      parameters: schema(
        {
          command: { type: 'string', description: 'Given to sh -c' },
          timeout_seconds: { type: 'integer', minimum: 1, maximum: MAX_COMMAND_MS / 1_000 },
        },
        ['command'],
      ),
      run: async (input, signal) => {
        const seconds = numberIn(input, 'timeout_seconds') ?? COMMAND_MS / 1_000;
        onCommand?.();
        const execution = await this.provider.exec(place, {
          argv: ['sh', '-c', textIn(input, 'command')],
          env: {},
          cwd: [WORKSPACE_INSIDE, base].filter((part) => part !== '').join('/'),
          timeoutMs: Math.min(Math.max(1, seconds) * 1_000, MAX_COMMAND_MS),
          outputBytes: MAX_ANSWER_BYTES,
        });
        const cancel = (): void => execution.cancel();
        signal.addEventListener('abort', cancel, { once: true });
        try {
          if (signal.aborted) cancel();
          await execution.write(null).catch(() => undefined);
          const printed: Buffer[] = [];
          for await (const { data } of execution.output) printed.push(data);
          const facts = await execution.exit;
          signal.throwIfAborted();
          return answerOf(Buffer.concat(printed).toString(), facts);
        } finally {
          signal.removeEventListener('abort', cancel);
        }
      },
    };
  }

  private readFile({ view, base }: AgentSurroundings): AgentTool {
    return {
      name: 'read_file',
      description: `Read a text file, at most ${MAX_ANSWER_BYTES} bytes of it from offset on.`,
      parameters: schema({ path: PATH, offset: { type: 'integer', minimum: 0, description: 'In bytes' } }, ['path']),
      run: async (input) => {
        const file = await this.files.open(view, pathIn(input, base));
        if (file.kind === 'directory') return { content: 'It is a directory', isError: true };
        try {
          const start = Math.min(numberIn(input, 'offset') ?? 0, file.size);
          const end = Math.min(start + MAX_ANSWER_BYTES, file.size);
          const bytes = start === end ? [] : ((await file.read({ start, end }).toArray()) as Buffer[]);
          const text = Buffer.concat(bytes).toString();
          const rest = end < file.size ? `\n[${file.size - end} more bytes from offset ${end} on]` : '';
          return { content: text + rest, isError: false };
        } finally {
          await file.close();
        }
      },
    };
  }

  private writeFile({ view, base }: AgentSurroundings): AgentTool {
    return {
      name: 'write_file',
      description: 'Write a whole text file; missing directories are made.',
      parameters: schema({ path: PATH, content: { type: 'string' } }, ['path', 'content']),
      run: async (input) => {
        const content = Buffer.from(textIn(input, 'content'));
        const terms = { preconditions: Preconditions.NONE, announcedBytes: content.length };
        const written = await this.files.write(view, pathIn(input, base), terms, Readable.from([content]));
        return { content: `Wrote ${written.size} bytes to ${written.path}`, isError: false };
      },
    };
  }

  private listFiles({ view, base }: AgentSurroundings): AgentTool {
    return {
      name: 'list_files',
      description: 'List a directory; names of directories end with a slash.',
      parameters: schema({ path: { ...PATH, description: 'The working directory when left out' } }, []),
      run: async (input) => {
        const entries = await this.files.list(view, pathIn(input, base));
        const lines = entries.slice(0, MAX_ENTRIES).map(({ name, type }) => (type === 'directory' ? `${name}/` : name));
        const rest = entries.length > MAX_ENTRIES ? `\n[${entries.length - MAX_ENTRIES} more]` : '';
        return { content: (lines.join('\n') || '[empty]') + rest, isError: false };
      },
    };
  }
}

function schema(properties: Readonly<Record<string, object>>, required: readonly string[]): Record<string, unknown> {
  return { type: 'object', properties, required, additionalProperties: false };
}

function answerOf(
  printed: string,
  { code, timedOut, oomKilled, tooManyProcesses, diskFull, truncated }: ExitFacts,
): ToolAnswer {
  const facts = [
    `exit code ${code}`,
    timedOut && 'timed out',
    oomKilled && 'out of memory',
    tooManyProcesses && 'too many processes',
    diskFull && 'no room left on the disk',
    truncated && 'output truncated',
  ].filter((fact) => fact !== false);
  const separator = printed === '' || printed.endsWith('\n') ? '' : '\n';
  return { content: `${printed}${separator}[${facts.join(', ')}]`, isError: code !== 0 };
}

/** A path of the model's as the file API has it; one that leads elsewhere is refused there. */
function pathIn(input: unknown, base: string): string {
  const given = isObject(input) && typeof input['path'] === 'string' ? input['path'] : '';
  if (given === WORKSPACE_INSIDE || given.startsWith(`${WORKSPACE_INSIDE}/`))
    return given.slice(WORKSPACE_INSIDE.length + 1);
  return given.startsWith('/') || base === '' ? given : `${base}/${given}`;
}

function textIn(input: unknown, name: string): string {
  const value = isObject(input) ? input[name] : undefined;
  if (typeof value === 'string') return value;
  throw new DomainError('invalid_input', `${name} must be a text`, { field: name });
}

function numberIn(input: unknown, name: string): number | undefined {
  const value = isObject(input) ? input[name] : undefined;
  if (value === undefined) return undefined;
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw new DomainError('invalid_input', `${name} must be a whole number`, { field: name });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
