import { baseFiles, changedFiles, commitBody, importStream } from '../files.mjs';
import { interleave, pairedRatio, summary, timed } from '../statistics.mjs';

const BASE = 1_000;
const SIZES = [
  { count: 1, limit: 1 },
  { count: 10, limit: 1 },
  { count: 100, limit: 1.5 },
  { count: 1_000, limit: 2 },
];

/** Commits over HTTP against `git fast-import` with the same files on the same tree. */
export async function measureCommits({ yardstick, client, report, pairs }) {
  for (const { count, limit } of SIZES) {
    const slug = `commits-${count}`;
    await client.json('POST', '/v1/repos', { slug });
    await client.commit(slug, commitBody(baseFiles(BASE), 'base'));
    const repo = await yardstick.createRepo(`${slug}.git`);
    await yardstick.import(repo, importStream(baseFiles(BASE), 'base', true));

    const took = await interleave(
      pairs,
      (round) => {
        const body = commitBody(changedFiles(count, BASE, round), `round ${round}`);
        return timed(() => client.commit(slug, body));
      },
      (round) => {
        const stream = importStream(changedFiles(count, BASE, round), `round ${round}`);
        return timed(() => yardstick.import(repo, stream));
      },
    );
    await assertSameTree({ yardstick, client, slug, repo });
    const name = `commit of ${count} file${count === 1 ? '' : 's'} / git fast-import`;
    const value = pairedRatio(took);
    const sides = { ours: summary(took.ours), theirs: summary(took.theirs), pairs: took.ours.length };
    report.add({ section: 'commits', name, kind: 'ratio', value, limit, ...sides });
  }
}

/** Both sides must have done the same work. */
export async function assertSameTree({ yardstick, client, slug, repo }) {
  const { sha } = await client.json('GET', `/v1/repos/${slug}/tree`);
  const tree = await yardstick.git(['-C', repo, 'rev-parse', 'main^{tree}']);
  if (sha !== tree) throw new Error(`${slug}: the trees differ, ${sha} and ${tree}`);
}
