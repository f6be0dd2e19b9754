import { createRepo, signUp, type Answer, type TestAccount } from '../support/client.js';
import { startTestServer, type TestServer } from '../support/server.js';
import { expectSound, git, storedRepo, tableRefs } from '../support/stored-repo.js';

const ROUNDS = Number(process.env.ROUNDS ?? 150);
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);

let server: TestServer;
let ada: TestAccount;

beforeAll(async () => {
  server = await startTestServer();
  ada = await signUp(server);
});

afterAll(async () => {
  await server.close();
});

/** mulberry32: a run can be repeated from its printed seed. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

class Bodies {
  private readonly random: () => number;

  constructor(seed: number) {
    this.random = generator(seed);
  }

  pick<T>(...from: readonly T[]): T {
    return from[Math.floor(this.random() * from.length)]!;
  }

  /** Mostly what `usual` makes, sometimes something nobody should send. */
  private maybe(usual: () => unknown): unknown {
    if (this.random() < 0.88) return usual();
    return this.pick<unknown>(
      ...[null, undefined, 7, -1, 1e300, true, '', '\0', '\ud800', [], {}, [null], [[]], 'x'.repeat(5_000)],
      ...[{ toString: 1 }, { __proto__: null }, '__proto__', '../..', '🦊'],
    );
  }

  private path(): unknown {
    return this.maybe(() =>
      this.pick('a', 'b', 'd/a', 'd/b', 'd', 'd/a/x', 'É', '.git/x', 'a/', '/a', 'a\\b', '.gitmodules', 'a\nb', '..'),
    );
  }

  private edits(): unknown {
    return this.maybe(() => [
      this.pick<unknown>(
        { old_string: this.maybe(() => this.pick('x', 'y', '')), new_string: this.maybe(() => 'y') },
        { range: this.maybe(() => [this.pick(0, 1, 2, 99), this.pick(1, 2, 1e9)]), content: this.maybe(() => 'z') },
        {},
        null,
      ),
    ]);
  }

  private change(): unknown {
    return this.maybe(() => ({
      path: this.path(),
      action: this.maybe(() => this.pick('create', 'create', 'edit', 'delete', 'rename', 'lazy_edit', 'none')),
      content: this.maybe(() => this.pick('x', 'xy', '', 'eHk=')),
      encoding: this.maybe(() => this.pick('utf-8', 'base64', undefined)),
      mode: this.maybe(() => this.pick(undefined, undefined, '100755', '120000')),
      edits: this.edits(),
      new_path: this.path(),
      edit_snippet: this.maybe(() => undefined),
    }));
  }

  body(head: string): Buffer {
    const body = this.maybe(() => ({
      branch: this.maybe(() => this.pick('main', 'main', 'side', 'main/x', 'new/y', 'HEAD')),
      message: this.maybe(() => 'm'),
      author: this.maybe(() =>
        this.pick<unknown>(undefined, { name: this.maybe(() => 'n'), email: this.maybe(() => 'e') }),
      ),
      parent_sha: this.maybe(() => this.pick(undefined, undefined, head, 'f'.repeat(40))),
      changes: this.maybe(() => Array.from({ length: this.pick(1, 1, 2, 3) }, () => this.change())),
    }));
    const bytes = Buffer.from(JSON.stringify(body) ?? '');
    // Now and then one byte is damaged or the end is missing.
    if (this.random() < 0.06 && bytes.length > 0)
      bytes[Math.floor(this.random() * bytes.length)] = this.pick(0, 255, 34, 92);
    return this.random() < 0.04 ? bytes.subarray(0, bytes.length >> 1) : bytes;
  }
}

function soundBody(round: number): Buffer {
  const changes = [{ path: `sound/${round}.txt`, content: `${round}\n` }];
  return Buffer.from(JSON.stringify({ branch: 'main', message: `round ${round}`, changes }));
}

describe('random commit bodies', () => {
  it(
    `never end in a 500 or in half an effect (seed ${SEED}, ${ROUNDS} rounds)`,
    async () => {
      const slug = await createRepo(ada, 'fuzzed');
      const repo = await storedRepo(server, ada, slug);
      const bodies = new Bodies(SEED);
      let made = 0;
      for (let round = 0; round < ROUNDS; round += 1) {
        const before = await tableRefs(server, repo);
        const head = before.find((line) => line.startsWith('refs/heads/main '))?.split(' ')[1] ?? '';
        // Few random bodies are accepted, for some seeds none: each tenth is one that must be.
        const isSound = round % 10 === 9;
        const body = isSound ? soundBody(round) : bodies.body(head);
        const answer = await ada.send('POST', `/v1/repos/${slug}/commits`, body);
        const shown = `round ${round}: ${answer.status} ${JSON.stringify(answer.body)} for ${body.toString()}`;
        if (answer.status >= 500 && answer.body.error !== 'lazy_edit is not configured on this deployment')
          throw new Error(shown);
        await expectEffect(answer, before, await tableRefs(server, repo), shown);
        if (isSound) expect({ shown, status: answer.status }).toEqual({ shown, status: 201 });
        if (answer.status === 201) made += 1;
      }
      await expectSound(server, repo);
      expect(Number(await git(repo, 'rev-list', '--all', '--count'))).toBeLessThanOrEqual(made + 1);
    },
    60_000 + ROUNDS * 200,
  );
});

/** A 201 moved exactly the branch it names to the commit it names; anything else moved nothing. */
async function expectEffect(answer: Answer, before: string[], after: string[], shown: string): Promise<void> {
  if (answer.status !== 201) {
    if (JSON.stringify(before) !== JSON.stringify(after)) throw new Error(`changed refs, ${shown}`);
    if (typeof answer.body.error !== 'string' || typeof answer.body.code !== 'string') throw new Error(shown);
    return;
  }
  const { branch, sha, parent } = answer.body as Record<string, string>;
  const name = `refs/heads/${branch}`;
  const others = (lines: string[]): string[] => lines.filter((line) => !line.startsWith(`${name} `));
  if (JSON.stringify(others(before)) !== JSON.stringify(others(after))) throw new Error(`other refs changed, ${shown}`);
  if (!after.includes(`${name} ${sha}`)) throw new Error(`branch not there, ${shown}`);
  const was = before.find((line) => line.startsWith(`${name} `))?.split(' ')[1];
  if (was !== undefined && was !== parent) throw new Error(`not on the head, ${shown}`);
}
