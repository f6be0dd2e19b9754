import { OPEN_PORTS } from './preview.js';

/** A package of a checkout with a script that starts its server. */
export interface DevPackage {
  /** `.` for the root of the checkout. */
  readonly path: string;
  readonly manager: string;
  readonly script: 'dev' | 'start';
  /** What the script runs. */
  readonly line: string;
  /** Where its server is expected. */
  readonly port: number;
}

const MAX_PACKAGES = 32;
/** Parsed here. */
const MAX_BYTES = 32_768;

/** Of each package.json, nearest to the root first: where it is, what it says, and the lock files beside it. */
export const LIST_PACKAGES = `
count=0
for file in package.json */package.json */*/package.json; do
  case "/$file" in */node_modules/*) continue;; esac
  [ -f "$file" ] || continue
  count=$((count + 1))
  [ "$count" -le ${MAX_PACKAGES} ] || break
  printf %s "$file" | emit 8192
  head -c ${MAX_BYTES} < "$file" | emit ${MAX_BYTES}
  (cd "./\${file%package.json}" && ls -d package-lock.json pnpm-lock.yaml yarn.lock bun.lock bun.lockb 2> /dev/null) | emit 200
done
`;

const LOCKS: readonly (readonly [file: string, manager: string])[] = [
  ['pnpm-lock.yaml', 'pnpm'],
  ['yarn.lock', 'yarn'],
  ['bun.lock', 'bun'],
  ['bun.lockb', 'bun'],
  ['package-lock.json', 'npm'],
];
/** Where frameworks listen that do not ask PORT. */
const USUAL_PORTS: readonly (readonly [program: RegExp, port: number])[] = [
  [/\bastro\b/, 4321],
  [/\bvite\b/, 5173],
];
const SAID_PORT = /(?:^|\s)(?:--port[ =]|-p[ =]?|PORT=)(\d{4,5})\b/;

/** The nearest one with a script to start; its workspace's package manager. Null when there is none. */
export function choosePackage(parts: readonly Buffer[]): DevPackage | null {
  let ofRoot: string | null = null;
  for (let at = 0; at + 2 < parts.length; at += 3) {
    const [file = '', text = '', locks = ''] = parts.slice(at, at + 3).map((part) => part.toString('utf8'));
    const path = file === 'package.json' ? '.' : file.slice(0, -'/package.json'.length);
    const { scripts, packageManager } = packageIn(text);
    const manager = managerOf(locks.split('\n'), packageManager);
    if (path === '.') ofRoot = manager;
    const script = (['dev', 'start'] as const).find((name) => isLine(scripts[name]));
    if (!script) continue;
    const line = scripts[script] as string;
    return { path, manager: manager ?? ofRoot ?? 'npm', script, line, port: portOf(line) };
  }
  return null;
}

/** What can be an argument of a program. */
function isLine(text: unknown): boolean {
  return typeof text === 'string' && text.trim() !== '' && !text.includes('\0');
}

function managerOf(locks: readonly string[], declared: unknown): string | null {
  const lock = LOCKS.find(([file]) => locks.includes(file));
  if (lock) return lock[1];
  const [, name = null] = typeof declared === 'string' ? (/^(npm|pnpm|yarn|bun)@/.exec(declared) ?? []) : [];
  return name;
}

function portOf(line: string): number {
  const said = Number(SAID_PORT.exec(line)?.[1]);
  if (OPEN_PORTS.includes(said)) return said;
  return USUAL_PORTS.find(([program]) => program.test(line))?.[1] ?? OPEN_PORTS[0]!;
}

/** What is no package.json has no scripts. */
function packageIn(text: string): {
  readonly scripts: Readonly<Record<string, unknown>>;
  readonly packageManager: unknown;
} {
  try {
    const { scripts, packageManager } = JSON.parse(text) as Record<string, unknown>;
    const isMap = typeof scripts === 'object' && scripts !== null;
    return { scripts: isMap ? (scripts as Record<string, unknown>) : {}, packageManager };
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return { scripts: {}, packageManager: undefined };
    throw error;
  }
}
