import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { importStream, sourceText } from '../files.mjs';
import { interleave, pairedRatio, summary, timed } from '../statistics.mjs';
import { storedRepo } from '../stored-repo.mjs';

const LARGE = { name: 'large-repo', commits: 50, filesPerCommit: 300, fileBytes: 3_400, limit: 1.15 };
const TINY = { name: 'tiny-repo', commits: 3, filesPerCommit: 2, fileBytes: 500 };

/** clone and push with the git client, over HTTP against `file://` on the same repository. */
export async function measureTransport(bench) {
  if (!(await isServed(bench))) {
    bench.report.note('transport', 'git over HTTP is not served by this build');
    return;
  }
  for (const shape of [LARGE, TINY]) {
    const source = await buildSource(bench, shape);
    await measurePushOfAll(bench, shape, source);
    await measureClone(bench, shape);
  }
  await measureSmallPush(bench);
}

function urlOf({ server, client }, slug) {
  const { host } = new URL(server.url);
  return `http://bench:${client.key}@${host}/${client.account}/${slug}.git`;
}

async function isServed(bench) {
  await bench.client.json('POST', '/v1/repos', { slug: 'git-served' });
  return bench.yardstick.git(['ls-remote', urlOf(bench, 'git-served')]).then(
    () => true,
    (error) => {
      if (/not found|40[0-9]/i.test(error.message)) return false;
      throw error;
    },
  );
}

async function buildSource({ yardstick }, { name, commits, filesPerCommit, fileBytes }) {
  const repo = await yardstick.createRepo(`source-${name}.git`);
  for (let number = 0; number < commits; number += 1) {
    const files = Array.from({ length: filesPerCommit }, (_, index) => [
      `folder-${index % 20}/file-${number}-${index}.txt`,
      randomBytes(Math.ceil(fileBytes / 2)).toString('hex'),
    ]);
    await yardstick.import(repo, importStream(files, `commit ${number}`, number === 0));
  }
  await yardstick.git(['-C', repo, 'gc', '--quiet']);
  return repo;
}

/** The whole history into an empty repository, a new one for each push. */
async function measurePushOfAll(bench, { name }, source) {
  const { yardstick, client, pairs, report } = bench;
  await client.json('POST', '/v1/repos', { slug: name, init: false });
  await yardstick.git(['-C', source, 'push', '--quiet', urlOf(bench, name), 'main']);
  const push = (target) => timed(() => yardstick.git(['-C', source, 'push', '--quiet', target, 'main']));
  const took = await interleave(
    pairs,
    async (round) => {
      await client.json('POST', '/v1/repos', { slug: `${name}-${round}`, init: false });
      const ms = await push(urlOf(bench, `${name}-${round}`));
      await client.json('DELETE', `/v1/repos/${name}-${round}`);
      return ms;
    },
    async (round) => {
      const target = await yardstick.createRepo(`target-${name}-${round}.git`);
      const ms = await push(`file://${target}`);
      rmSync(target, { recursive: true });
      return ms;
    },
  );
  add(report, `push of a ${sizeOf(name)} repository / file://`, took);
}

async function measureClone(bench, { name, limit }) {
  const { server, yardstick, client, pairs, report } = bench;
  const stored = await storedRepo(server, client, name);
  const target = join(yardstick.root, `clone-${name}`);
  const clone = async (url) => {
    const ms = await timed(() => yardstick.git(['clone', '--quiet', url, target]));
    rmSync(target, { recursive: true });
    return ms;
  };
  const took = await interleave(
    pairs,
    () => clone(urlOf(bench, name)),
    () => clone(`file://${stored}`),
  );
  add(report, `clone of a ${sizeOf(name)} repository / file://`, took, limit);
}

/** One changed file on a tiny repository, again and again. */
async function measureSmallPush(bench) {
  const { yardstick, client, pairs, report } = bench;
  await client.json('POST', '/v1/repos', { slug: 'push-small', init: false });
  const bare = await yardstick.createRepo('push-small.git');
  const work = join(yardstick.root, 'push-small-work');
  mkdirSync(work);
  await yardstick.git(['init', '--quiet', '--initial-branch=main', work]);
  const push = async (url, text) => {
    writeFileSync(join(work, 'file.txt'), text);
    await yardstick.git(['-C', work, 'add', '.']);
    await yardstick.git(['-C', work, 'commit', '--quiet', '-m', 'change']);
    return timed(() => yardstick.git(['-C', work, 'push', '--quiet', url, 'main']));
  };
  const took = await interleave(
    pairs,
    (round) => push(urlOf(bench, 'push-small'), sourceText(round)),
    (round) => push(`file://${bare}`, sourceText(round + 1_000_000)),
  );
  add(report, 'push of one changed file / file://', took);
}

const sizeOf = (name) => name.replace('-repo', '');

function add(report, name, took, limit) {
  const sides = { ours: summary(took.ours), theirs: summary(took.theirs), pairs: took.ours.length };
  report.add({ section: 'transport', name, kind: 'ratio', value: pairedRatio(took), limit, ...sides });
}
