import { PassThrough } from 'node:stream';
import { baseFiles, commitBody } from '../files.mjs';
import { interleave, pairedRatio, summary, timed } from '../statistics.mjs';
import { storedRepo } from '../stored-repo.mjs';

const BASE = 1_000;
const READS_PER_PAIR = 20;

/** A file by branch and path over HTTP against one warm `git cat-file --batch-command` on the same content. */
export async function measureReads({ server, yardstick, client, report, pairs }) {
  await client.json('POST', '/v1/repos', { slug: 'reads' });
  await client.commit('reads', commitBody(baseFiles(BASE), 'base'));
  const repo = await yardstick.createRepo('reads.git');
  await yardstick.git(['-C', repo, 'fetch', '--quiet', await storedRepo(server, client, 'reads'), 'main:main']);
  const conversation = await Conversation.open(yardstick, repo);
  const paths = baseFiles(BASE).map(([path]) => path);

  const pathOf = (round, turn) => paths[(round * 37 + turn * 11) % BASE];
  const repeat = async (read, round) => {
    for (let turn = 0; turn < READS_PER_PAIR; turn += 1) await read(pathOf(round, turn));
  };
  const overHttp = (path) => client.send('GET', `/v1/repos/reads/raw/main/${path}`);
  const asked = (path) => conversation.ask(path);
  const took = await interleave(
    Math.max(pairs, 100),
    async (round) => (await timed(() => repeat(overHttp, round))) / READS_PER_PAIR,
    async (round) => (await timed(() => repeat(asked, round))) / READS_PER_PAIR,
  );
  conversation.close();
  report.add({
    section: 'reads',
    name: 'file read over HTTP / warm git cat-file',
    kind: 'ratio',
    value: pairedRatio(took),
    ours: summary(took.ours),
    theirs: summary(took.theirs),
    pairs: took.ours.length,
  });
}

/** Asks one question at a time. */
class Conversation {
  #pending = Buffer.alloc(0);
  #settle;
  #commands = new PassThrough();

  static async open(yardstick, repo) {
    const conversation = new Conversation();
    const answers = await yardstick.catFile(repo, conversation.#commands);
    answers.on('data', (chunk) => conversation.#take(chunk));
    await conversation.ask('src/part-0/file-0.ts');
    return conversation;
  }

  ask(path) {
    return new Promise((resolve) => {
      this.#settle = resolve;
      this.#commands.write(`contents main:${path}\n`);
    });
  }

  #take(chunk) {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    const headEnd = this.#pending.indexOf(10);
    if (headEnd < 0) return;
    const head = this.#pending.toString('latin1', 0, headEnd);
    const [, type, size] = head.split(' ');
    if (type !== 'blob') throw new Error(`git cat-file answered ${head}`);
    const end = headEnd + 1 + Number(size);
    if (this.#pending.length < end + 1) return;
    const content = this.#pending.subarray(headEnd + 1, end);
    this.#pending = this.#pending.subarray(end + 1);
    this.#settle(content);
  }

  close() {
    this.#commands.end();
  }
}
