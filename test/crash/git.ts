import { spawn } from 'node:child_process';

export interface GitResult {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

const ENVIRONMENT = {
  PATH: process.env['PATH'] ?? '/usr/bin:/bin',
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_TERMINAL_PROMPT: '0',
  GIT_AUTHOR_NAME: 'Crash test',
  GIT_AUTHOR_EMAIL: 'crash@example.com',
  GIT_COMMITTER_NAME: 'Crash test',
  GIT_COMMITTER_EMAIL: 'crash@example.com',
  // Repositories on disk belong to whoever runs the server.
  GIT_CONFIG_COUNT: '1',
  GIT_CONFIG_KEY_0: 'safe.directory',
  GIT_CONFIG_VALUE_0: '*',
};

/** The machine's git, away from anybody's configuration. */
export function tryGit(folder: string, args: readonly string[], input = ''): Promise<GitResult> {
  return new Promise((resolve, reject) => {
    const child = spawn('git', args, { cwd: folder, env: ENVIRONMENT, stdio: ['pipe', 'pipe', 'pipe'] });
    const out: Buffer[] = [];
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout: Buffer.concat(out), stderr }));
  });
}

/** Its output; rejects when git fails. */
export async function git(folder: string, args: readonly string[], input = ''): Promise<string> {
  const { code, stdout, stderr } = await tryGit(folder, args, input);
  if (code !== 0) throw new Error(`git ${args[0]} exited with ${code}: ${stderr}`);
  return stdout.toString('utf8');
}
