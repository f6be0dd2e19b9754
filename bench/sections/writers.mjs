import { baseFiles, changedFiles, commitBody, importStream } from '../files.mjs';
import { interleave, pairedRatio, summary, timed } from '../statistics.mjs';
import { assertSameTree } from './commits.mjs';

const REPOS = 50;
const WRITERS = 16;
const COMMITS = 96;
const FILES = 3;
const BASE = 100;

/** Sixteen writers on fifty repositories, each with repositories of its own, against the same with fast-import. */
export async function measureWriters({ server, yardstick, client, report, pairs }) {
  const { names, repos } = await createRepos(yardstick, client);
  const prepare = (round, render) =>
    plan(round).map((work) => work.map(([at, files]) => [at, render(files, `round ${round}`)]));
  const ours = (round) => {
    const work = prepare(round, commitBody);
    return timed(() => all(work, (at, body) => client.commit(names[at], body)));
  };
  const theirs = (round) => {
    const work = prepare(round, importStream);
    return timed(() => all(work, (at, stream) => yardstick.import(repos[at], stream)));
  };
  const used = { ours: [], theirs: [] };
  const metered = (side, meter, run) => async (round) => {
    const before = meter.cpu();
    const ms = await run(round);
    used[side].push((meter.cpu() - before) / COMMITS);
    return ms;
  };
  const took = await interleave(pairs, metered('ours', server, ours), metered('theirs', yardstick, theirs));
  await assertSameTree({ yardstick, client, slug: names[0], repo: repos[0] });

  const perSecond = { ours: took.ours.map(rate), theirs: took.theirs.map(rate) };
  report.add({
    section: 'writers',
    name: `${WRITERS} writers on ${REPOS} repositories / git fast-import`,
    kind: 'ratio',
    value: pairedRatio(perSecond),
    limit: 2,
    atLeast: true,
    unit: 'commits/s',
    ours: summary(perSecond.ours),
    theirs: summary(perSecond.theirs),
    pairs: took.ours.length,
  });
  report.add({
    section: 'writers',
    name: 'CPU per commit (server and database) / git fast-import',
    kind: 'ratio',
    value: pairedRatio(used),
    ours: summary(used.ours),
    theirs: summary(used.theirs),
    pairs: took.ours.length,
  });
  await reportDelay(server, report, ours);
}

/** How long callers of the main thread wait while it serves writers. */
async function reportDelay(server, report, write) {
  const { delay } = await server.watch(async () => {
    for (let round = 0; round < 10; round += 1) await write(1_000 + round);
  });
  report.add({
    section: 'writers',
    name: 'main thread busy while they write, p99',
    kind: 'time',
    value: delay.p99,
    limit: 20,
    ours: { p50: delay.p50, p99: delay.p99 },
  });
  report.add({
    section: 'writers',
    name: 'main thread busy while they write, longest',
    kind: 'time',
    value: delay.max,
  });
}

/** The same repositories on both sides: slugs here, folders there. */
async function createRepos(yardstick, client) {
  const names = Array.from({ length: REPOS }, (_, index) => `writers-${index}`);
  const repos = [];
  for (const slug of names) {
    await client.json('POST', '/v1/repos', { slug });
    await client.commit(slug, commitBody(baseFiles(BASE), 'base'));
    const repo = await yardstick.createRepo(`${slug}.git`);
    await yardstick.import(repo, importStream(baseFiles(BASE), 'base', true));
    repos.push(repo);
  }
  return { names, repos };
}

const rate = (milliseconds) => COMMITS / (milliseconds / 1000);

/** What each writer commits in a round: `[repository, files]`; a repository belongs to one writer. */
function plan(round) {
  return Array.from({ length: WRITERS }, (_, writer) => {
    const own = Math.floor((REPOS - 1 - writer) / WRITERS) + 1;
    return Array.from({ length: COMMITS / WRITERS }, (_unused, turn) => {
      const number = round * (COMMITS / WRITERS) + turn;
      const at = writer + WRITERS * (number % own);
      return [at, changedFiles(FILES, BASE, number)];
    });
  });
}

/** Every writer does its work one after the other, all writers at once. */
async function all(work, commit) {
  await Promise.all(
    work.map(async (commits) => {
      for (const [at, input] of commits) await commit(at, input);
    }),
  );
}
