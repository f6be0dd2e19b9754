import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve as resolvePath } from 'node:path';

export interface GitOutcome {
  readonly code: number;
  readonly stdout: string;
  /** Standard output and error together, for reading what the client was told. */
  readonly output: string;
}

const ENVIRONMENT = {
  PATH: process.env['PATH'],
  HOME: '/nonexistent',
  LC_ALL: 'C',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_TERMINAL_PROMPT: '0',
  GIT_AUTHOR_NAME: 'Ada',
  GIT_AUTHOR_EMAIL: 'ada@example.com',
  GIT_COMMITTER_NAME: 'Ada',
  GIT_COMMITTER_EMAIL: 'ada@example.com',
};

/** A temporary folder with the system's real git client working in it. */
export class GitClient {
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), 'git-client-')));

  /** Absolute path of `name`, which may be absolute itself. */
  path(name: string): string {
    return resolvePath(this.folder, name);
  }

  /** Runs git in `folder` (relative) and reports how it ended. */
  attempt(folder: string, args: readonly string[]): Promise<GitOutcome> {
    return new Promise((resolve) => {
      const options = { cwd: this.path(folder), env: ENVIRONMENT, maxBuffer: 1 << 28 };
      execFile('git', args, options, (error, stdout, stderr) => {
        resolve({ code: error ? Number(error.code ?? 1) : 0, stdout: stdout.trim(), output: stdout + stderr });
      });
    });
  }

  /** Runs git and returns its trimmed output; throws when it fails. */
  async git(folder: string, ...args: string[]): Promise<string> {
    const { code, stdout, output } = await this.attempt(folder, args);
    if (code !== 0) throw new Error(`git ${args.join(' ')}: ${output}`);
    return stdout;
  }

  /** Like `git`, with bytes in and out. */
  binary(folder: string, args: readonly string[], input: Buffer | string = ''): Buffer {
    return execFileSync('git', args, { cwd: this.path(folder), env: ENVIRONMENT, input, maxBuffer: 1 << 28 });
  }

  async bare(name: string): Promise<string> {
    await this.git('.', 'init', '-q', '--bare', '-b', 'main', name);
    return this.path(name);
  }

  /** Commits one file and returns the commit's id. */
  async commit(folder: string, file: string, content: string): Promise<string> {
    writeFileSync(join(this.path(folder), file), content);
    await this.git(folder, 'add', '-A');
    await this.git(folder, 'commit', '-q', '-m', `Write ${file}`);
    return this.git(folder, 'rev-parse', 'HEAD');
  }

  /** Commits one version of `file` after the other to main, in few processes however many there are; their ids. */
  async history(
    folder: string,
    file: string | ((n: number) => string),
    versions: readonly string[],
  ): Promise<string[]> {
    const branch = 'refs/heads/main';
    const base = await this.attempt(folder, ['rev-parse', '-q', '--verify', branch]);
    const now = Math.floor(Date.now() / 1000);
    const commits = versions.map((content, n) => {
      const name = typeof file === 'string' ? file : file(n);
      const parent = n === 0 && base.code === 0 ? `from ${base.stdout}\n` : '';
      const head = `commit ${branch}\ncommitter Ada <ada@example.com> ${now} +0000\n${data(`Write ${name}`)}${parent}`;
      return `${head}M 100644 inline ${name}\n${data(content)}`;
    });
    this.binary(folder, ['fast-import', '--quiet'], commits.join(''));
    await this.git(folder, 'reset', '-q', '--hard', 'main');
    const ids = await this.git(folder, 'rev-list', '--reverse', `--max-count=${versions.length}`, 'main');
    return ids.split('\n');
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function data(text: string): string {
  return `data ${Buffer.byteLength(text)}\n${text}\n`;
}
