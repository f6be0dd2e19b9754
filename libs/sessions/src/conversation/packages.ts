import type { ShellSegment } from './shell-words.js';

/** Program and subcommands that install what the following words name. */
const INSTALLERS: readonly (readonly [program: RegExp, subcommand: readonly (readonly string[])[]])[] = [
  [/^pip[\d.]*$/, [['install']]],
  [/^(npm|cnpm)$/, [['install'], ['i'], ['add']]],
  [/^pnpm$/, [['add'], ['install'], ['i']]],
  [/^yarn$/, [['add'], ['global', 'add']]],
  [/^bun$/, [['add'], ['install'], ['i']]],
  [/^uv$/, [['add'], ['pip', 'install'], ['tool', 'install']]],
  [/^(poetry|pdm|pipenv|hatch|rye)$/, [['add'], ['install']]],
  [/^cargo$/, [['add'], ['install']]],
  [/^go$/, [['get'], ['install']]],
  [/^(gem|bundle)$/, [['install'], ['add']]],
  [/^composer$/, [['require']]],
  [/^(apt|apt-get|apk|dnf|yum|brew|conda|mamba|choco|winget)$/, [['install'], ['add']]],
  [/^dotnet$/, [['add', 'package']]],
  [/^(deno|jsr)$/, [['add']]],
];

/** Options that take the next word, which is then no package. */
const TAKES_VALUE = new Set(
  '-r --requirement -c --constraint -i --index-url --extra-index-url -t --target --prefix -w --workspace --filter -C --dir --registry --features -n --name -F --package -p --group -G --version --vers --python --tag'.split(
    ' ',
  ),
);
const NAME = /^@?[A-Za-z0-9][\w.+-]*(?:[/:][\w.+-]+)*(?:\[[\w,.-]*\])?$/;
const MAX_PACKAGES = 100;

/** The packages a simple command sets out to install, without their versions; empty for everything else. */
export function installedBy({ words }: ShellSegment): string[] {
  const args = installArguments(words);
  const names: string[] = [];
  for (let index = 0; index < args.length && names.length < MAX_PACKAGES; index += 1) {
    const word = args[index] ?? '';
    if (TAKES_VALUE.has(word)) index += 1;
    else if (!word.startsWith('-')) {
      const name = packageName(word);
      if (name !== undefined) names.push(name);
    }
  }
  return [...new Set(names)];
}

/** Whether the command installs anything at all, be it what the lock file lists (`npm ci`, `pip install -r …`). */
export function isInstall({ words }: ShellSegment): boolean {
  return installArguments(words).length > 0 || isBareInstall(words);
}

const isBareInstall = ([program = '', subcommand = '']: readonly string[]): boolean =>
  /^(npm|pnpm|yarn|bun|poetry|uv|bundle|composer|pipenv)$/.test(program) &&
  (/^(install|i|ci|sync)$/.test(subcommand) || (program === 'yarn' && subcommand === ''));

function installArguments(all: readonly string[]): readonly string[] {
  const isModule = /^python[\d.]*$/.test(programName(all[0])) && all[1] === '-m';
  const words = isModule ? all.slice(2) : all;
  const [, subcommands = []] = INSTALLERS.find(([program]) => program.test(programName(words[0]))) ?? [];
  // Global options may stand before the subcommand: `npm --prefix web install x`.
  const start = words.findIndex((_, index) =>
    subcommands.some((sub) => index > 0 && index <= 3 && sub.every((word, offset) => words[index + offset] === word)),
  );
  const matched = subcommands.find((sub) => sub.every((word, offset) => words[start + offset] === word));
  return start < 0 || matched === undefined ? [] : words.slice(start + matched.length);
}

const programName = (word: string | undefined): string => (word ?? '').split('/').at(-1) ?? '';

/** `zod@3`, `requests==2.1`, `uvicorn[standard]>=0.2` without the version; paths, URLs and archives name no package. */
function packageName(word: string): string | undefined {
  if (/^[./~$]|:\/\/|\.(whl|tgz|gz|zip|deb|txt)$|^git\+/.test(word) || word.length > 150) return undefined;
  const name = word
    .replace(/(?<=.)@[^/]*$/, '')
    .replace(/(?:[=<>~!]=?|;| ).*$/, '')
    .replace(/\[[^\]]*\]$/, '');
  return NAME.test(name) ? name : undefined;
}
