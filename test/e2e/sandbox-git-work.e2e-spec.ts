import { Database } from '../../libs/platform/src/index.js';
import { type Checkout, startCheckout } from '../support/checkouts.js';
import { Client, signUp, type TestAccount } from '../support/client.js';
import { modelSettings } from '../support/model-settings.js';
import { LlmPeer } from '../support/peers/llm.js';
import { startOn, startTestServer, type TestServer } from '../support/server.js';

let model: LlmPeer;
let server: TestServer;
let alice: TestAccount;

beforeAll(async () => {
  model = await LlmPeer.start();
  server = await startTestServer(modelSettings(model));
  alice = await signUp(server);
});

afterAll(async () => {
  await server.close();
  await model.stop();
});

const at = ({ id }: Checkout, path: string): string => `/api/sessions/${id}/${path}`;
const BASE = 'git init -q -b main && mkdir d && echo a > a && echo b > d/b && git add -A && git commit -qm base';
const statusOf = async ({ id }: Checkout): Promise<Record<string, unknown>> =>
  (await alice.post('/api/git-status', { sessionId: id })).body as Record<string, unknown>;

describe('the state of a checkout', () => {
  it('is told in numbers, with branch and unpushed commits', async () => {
    const checkout = await startCheckout(server, alice);
    await checkout.run(`${BASE} && git update-ref refs/remotes/origin/main HEAD`);
    const clean = {
      branch: 'main',
      isDetachedHead: false,
      hasUncommittedChanges: false,
      hasUnpushedCommits: false,
      stagedCount: 0,
      unstagedCount: 0,
      untrackedCount: 0,
      uncommittedFiles: 0,
    };
    expect(await statusOf(checkout)).toEqual(clean);
    await checkout.run(`
      git commit -q --allow-empty -m more && echo x >> a && git add a && echo y >> a && rm d/b && mkdir n && touch n/1 n/2
      git checkout -q --detach`);
    expect(await statusOf(checkout)).toEqual({
      branch: null,
      isDetachedHead: true,
      hasUncommittedChanges: true,
      hasUnpushedCommits: true,
      stagedCount: 1,
      unstagedCount: 2,
      untrackedCount: 2,
      uncommittedFiles: 4,
    });
  });

  it.each([undefined, {}, { sessionId: 5 }, { sessionId: '' }, { sessionId: null }])(
    'needs a session: %j',
    async (body) => {
      expect(await alice.post('/api/git-status', body)).toMatchObject({
        status: 400,
        body: { status: 'error', error: 'sessionId is required', path: ['sessionId'] },
      });
    },
  );
});

describe('discarding what is not committed', () => {
  let checkout: Checkout;
  beforeEach(async () => {
    checkout = await startCheckout(server, alice);
    await checkout.run(`${BASE} && echo ignored > .gitignore && git add -A && git commit -qm more
      echo x >> a && git add a && git mv d/b d/c && echo new > 'new [file]' && touch ignored`);
  });

  it('takes all of it back but what is ignored, and is on record', async () => {
    const { status, body } = await alice.post(at(checkout, 'discard-uncommitted'));
    expect([status, body]).toEqual([200, { discarded: true, hasUncommittedChanges: false }]);
    expect(await checkout.run('cat a d/b; ls -A')).toBe('a\nb\n.git\n.gitignore\na\nd\nignored\n');
    const rows = await server.app
      .get(Database)
      .query(`select payload from event where type = 'sandbox.changes-discarded' and subject_id = $1`, [checkout.id]);
    expect(rows).toEqual([{ payload: { paths: [] } }]);
    expect((await alice.post(at(checkout, 'discard-uncommitted'), {})).body).toMatchObject({ discarded: true });
  });

  it('takes one path back, a renamed one with where it was', async () => {
    const one = await alice.post(at(checkout, 'discard-uncommitted'), { filePath: 'a' });
    expect(one.body).toEqual({ discarded: true, hasUncommittedChanges: true });
    const renamed = { filePath: 'd/c', oldPath: 'd/b' };
    expect((await alice.post(at(checkout, 'discard-uncommitted'), renamed)).status).toBe(200);
    expect(await checkout.run('git status --porcelain; cat a; ls d')).toBe('?? "new [file]"\na\nb\n');
    const last = await alice.post(at(checkout, 'discard-uncommitted'), { filePath: 'new [file]' });
    expect(last.body).toEqual({ discarded: true, hasUncommittedChanges: false });
  });

  it('means paths, not patterns and not options', async () => {
    await checkout.run('echo x > "*" && echo x > --hard && echo x > ":(top)"');
    for (const filePath of ['*', '--hard', ':(top)'])
      expect((await alice.post(at(checkout, 'discard-uncommitted'), { filePath })).status).toBe(200);
    expect(await checkout.run('git status --porcelain')).toBe('M  a\nR  d/b -> d/c\n?? "new [file]"\n');
  });

  it('works before the first commit', async () => {
    const fresh = await startCheckout(server, alice);
    await fresh.run('git init -q && echo a > a && git add a && echo b > b');
    expect((await alice.post(at(fresh, 'discard-uncommitted'), { filePath: 'a' })).body).toEqual({
      discarded: true,
      hasUncommittedChanges: true,
    });
    expect((await alice.post(at(fresh, 'discard-uncommitted'))).body).toMatchObject({ hasUncommittedChanges: false });
    expect(await fresh.run('ls')).toBe('');
  });

  it.each([
    [{ filePath: '../x' }, 'Invalid file path'],
    [{ filePath: '' }, 'Invalid file path'],
    [{ filePath: 7 }, 'Invalid file path'],
    [{ filePath: null }, 'Invalid file path'],
    [{ filePath: 'a', oldPath: null }, 'Invalid file path'],
    [{ filePath: 'a', oldPath: '/etc/passwd' }, 'Invalid file path'],
    [{ oldPath: 'a' }, 'oldPath needs filePath'],
  ])('is refused for %j and touches nothing', async (body, error) => {
    expect(await alice.post(at(checkout, 'discard-uncommitted'), body)).toMatchObject({ status: 400, body: { error } });
    expect((await statusOf(checkout))['uncommittedFiles']).toBe(4);
  });

  it('says so while another git is at work', async () => {
    await checkout.run('touch .git/index.lock');
    expect(await alice.post(at(checkout, 'discard-uncommitted'))).toMatchObject({
      status: 409,
      body: { code: 'repository_locked' },
    });
    expect((await alice.get(at(checkout, 'diff'))).status).toBe(200);
  });
});

describe('a commit message', () => {
  it('is proposed by the model, for the changes, in one line', async () => {
    const checkout = await startCheckout(server, alice);
    await checkout.run(`${BASE} && echo changed-line >> a && echo new > brand-new.txt`);
    model.next(`"Change a${' very'.repeat(30)} much"\n\nand more`);
    const { status, body } = await alice.post(at(checkout, 'generate-commit-message'));
    expect(status).toBe(200);
    const { message } = body as { message: string };
    expect(message).toMatch(/^Change a very/);
    expect(message.length).toBeLessThanOrEqual(72);
    const asked = JSON.stringify(model.calls.at(-1));
    for (const told of ['+changed-line', 'brand-new.txt']) expect(asked).toContain(told);
  });

  it('needs changes, and a model', async () => {
    const checkout = await startCheckout(server, alice);
    await checkout.run(BASE);
    expect(await alice.post(at(checkout, 'generate-commit-message'))).toMatchObject({
      status: 400,
      body: { error: 'No uncommitted changes' },
    });
    const bare = await startOn(server.databaseUrl, server.dataDir);
    try {
      const client = new Client(bare.url, alice.key);
      expect(await client.post(at(checkout, 'generate-commit-message'))).toMatchObject({
        status: 503,
        body: { code: 'llm_not_configured' },
      });
    } finally {
      await bare.close();
    }
  });
});

describe('beside git', () => {
  let checkout: Checkout;
  beforeAll(async () => {
    checkout = await startCheckout(server, alice);
  });

  it('skills are found in the checkout and at home', async () => {
    expect((await alice.get(at(checkout, 'skills'))).body).toEqual({ skills: [] });
    await checkout.run(`
      mkdir -p .claude/skills/pdf .agents/skills/plain ~/.agents/skills/pdf ~/.agents/skills/own .claude/skills/empty
      printf -- '---\\nname: pdf\\ndescription: Read PDFs\\n---\\n' > .claude/skills/pdf/SKILL.md
      printf -- '---\\nname: pdf\\ndescription: The other\\n---\\n' > ~/.agents/skills/pdf/SKILL.md
      printf -- '---\\nname: own\\ndescription: "At home"\\n---\\n' > ~/.agents/skills/own/SKILL.md
      echo '# Plain' > .agents/skills/plain/SKILL.md && ln -s /etc .claude/skills/etc && ln -s /etc/passwd .claude/skills/empty/SKILL.md`);
    expect((await alice.get(at(checkout, 'skills?refresh=1'))).body).toEqual({
      skills: [
        { name: 'own', description: 'At home' },
        { name: 'pdf', description: 'Read PDFs' },
        { name: 'plain', description: '' },
      ],
    });
  });

  it('a prompt is built from failed checks', async () => {
    const checkRuns = [
      {
        name: 'unit',
        conclusion: 'failure',
        html_url: 'https://ci.test/1',
        output: { title: 'Tests', text: 'expected 1' },
      },
      { name: 'lint', conclusion: 'success' },
    ];
    const { status, body } = await alice.post(at(checkout, 'checks/fix'), { checkRuns });
    expect(status).toBe(200);
    expect(body).toEqual({
      prompt: expect.stringContaining('expected 1') as string,
      snippets: [{ name: 'unit', detailsUrl: 'https://ci.test/1', content: 'Tests\n\nexpected 1' }],
    });
  });

  it.each<[object | undefined, string]>([
    [undefined, 'checkRuns must have 1 to 10 entries'],
    [{ checkRuns: 'x' }, 'checkRuns must have 1 to 10 entries'],
    [{ checkRuns: Array(11).fill({ name: 'x' }) }, 'checkRuns must have 1 to 10 entries'],
    [{ checkRuns: [7] }, 'checkRuns.0 must be an object'],
    [{ checkRuns: [{}] }, 'checkRuns.0.name is required'],
    [{ checkRuns: [{ name: 'x', output: { text: 5 } }] }, 'checkRuns.0.text must be a text'],
    [{ checkRuns: [{ name: 'x', conclusion: 'success' }] }, 'No failed checks'],
  ])('checks that are none are refused: %#', async (body, error) => {
    expect(await alice.post(at(checkout, 'checks/fix'), body as Record<string, unknown>)).toMatchObject({
      status: 400,
      body: { error },
    });
  });

  it('a code editor that the operator has not set is refused with the reason, and none runs', async () => {
    expect(await alice.post(at(checkout, 'code-editor'))).toMatchObject({
      status: 501,
      body: { code: 'preview_not_available', error: expect.stringContaining('CODE_EDITOR_COMMAND') as string },
    });
    expect((await alice.get(at(checkout, 'code-editor'))).body).toEqual({ running: false, url: null, port: null });
    expect((await alice.delete(at(checkout, 'code-editor'))).body).toEqual({ stopped: false });
  });

  it('a key is issued', async () => {
    const { status, body } = await alice.post('/api/keys', { key_name: ' laptop ' });
    expect(status).toBe(200);
    const issued = new Client(server.url, (body as { key: string }).key);
    expect((await issued.get('/api/sessions')).status).toBe(200);
    for (const bad of [undefined, {}, { key_name: '' }, { key_name: 5 }, { key_name: 'x'.repeat(256) }])
      expect(await alice.post('/api/keys', bad as Record<string, unknown>)).toMatchObject({
        status: 400,
        body: { path: ['key_name'] },
      });
  });
});
