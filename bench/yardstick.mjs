import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { compiledEntry } from '#kernel';
import { cpuTime } from './cpu-time.mjs';

const run = promisify(execFile);
const ENVIRONMENT = {
  PATH: process.env.PATH,
  HOME: '/nonexistent',
  LC_ALL: 'C',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_TERMINAL_PROMPT: '0',
  GIT_AUTHOR_NAME: 'Bench',
  GIT_AUTHOR_EMAIL: 'bench@example.com',
  GIT_COMMITTER_NAME: 'Bench',
  GIT_COMMITTER_EMAIL: 'bench@example.com',
};

/** git itself: children of the slim runner process, and the git client. */
export class Yardstick {
  #runner;

  static async start(folder) {
    const yardstick = new Yardstick();
    yardstick.root = join(folder, 'yardstick');
    mkdirSync(yardstick.root, { recursive: true });
    const { GitRunner } = await import(compiledEntry('libs/repos/src/runner/git-runner.js'));
    yardstick.#runner = await GitRunner.start({ root: yardstick.root, bench: true });
    return yardstick;
  }

  /** A new bare repository that syncs what it is given before it says so. */
  async createRepo(name) {
    const repo = join(this.root, name);
    await this.git(['init', '--quiet', '--bare', '--initial-branch=main', repo]);
    await this.git(['-C', repo, 'config', 'core.fsync', 'committed']);
    return repo;
  }

  /** One `git fast-import` child: objects synced, ref moved under its lock from the value it was read at. */
  async import(repo, stream) {
    const output = await this.#runner.fastImport({ repo }, stream);
    for await (const chunk of output) process.stderr.write(chunk);
  }

  /** A conversation with one warm `git cat-file --batch-command`. */
  catFile(repo, commands) {
    return this.#runner.catFile({ repo }, commands);
  }

  async git(args) {
    const { stdout } = await run('git', args, { env: ENVIRONMENT, maxBuffer: 1 << 26 });
    return stdout.trim();
  }

  /** Milliseconds of CPU used so far by the runner and its git children. */
  cpu() {
    return cpuTime(this.#runner.pid);
  }

  stop() {
    return this.#runner.close();
  }
}
