import type { Operation } from '../operation.js';

const SECONDS = 3600;
const MOST_PROBLEMS = 100;

/** Checks a repository; damage is a result, not an error. */
export const fsck: Operation<'fsck'> = {
  name: 'fsck',
  kind: 'accessor',
  lane: 'maintenance',
  body: 'params',
  params: (read) => ({ repo: read.repo(), connectivityOnly: read.flag('connectivityOnly') }),
  async run(call) {
    const { repo, connectivityOnly } = call.params;
    const args = ['fsck', '--strict', '--no-dangling', '--no-progress'];
    if (connectivityOnly) args.push('--connectivity-only');
    const child = call.git({ repo, args }, { seconds: SECONDS, background: true });
    child.stdin.end();
    const problems: string[] = [];
    const keep = (line: string): void => {
      if (line.trim() !== '' && problems.length < MOST_PROBLEMS) problems.push(line.replaceAll(repo, ''));
    };
    const exit = await child.eachLine((line) => {
      keep(line);
      return true;
    });
    // git names some damage on standard error; `notice:` lines (no default branch yet) are none.
    for (const line of exit.stderr.split('\n')) if (/^(error|fatal|warning)/.test(line)) keep(line);
    return { clean: exit.code === 0, problems };
  },
};
