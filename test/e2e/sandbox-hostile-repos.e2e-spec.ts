import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Database } from '../../libs/platform/src/index.js';
import { type Checkout, startCheckout } from '../support/checkouts.js';
import { Client, signUp, type TestAccount } from '../support/client.js';
import { startTestServer, type TestServer } from '../support/server.js';

let server: TestServer;
let alice: TestAccount;
let bob: TestAccount;

beforeAll(async () => {
  server = await startTestServer();
  [alice, bob] = await Promise.all([signUp(server), signUp(server)]);
});

afterAll(async () => {
  await server.close();
});

const at = ({ id }: Checkout, path: string): string => `/api/sessions/${id}/${path}`;
const BASE = 'git init -q -b main && mkdir d && echo a > a && echo b > d/b && git add -A && git commit -qm base';

describe('a repository that means harm', () => {
  let outside: string;
  beforeAll(async () => {
    outside = await mkdtemp(join(tmpdir(), 'roundhouse-host-'));
    await writeFile(join(outside, 'secret'), 'host-secret');
  });
  afterAll(() => rm(outside, { recursive: true, force: true }));

  const askAll = async (checkout: Checkout): Promise<string> => {
    const answers = [
      await alice.get(at(checkout, 'files')),
      await alice.get(at(checkout, 'diff')),
      await alice.post('/api/git-status', { sessionId: checkout.id }),
      await alice.post(at(checkout, 'generate-commit-message')),
      await alice.get(at(checkout, 'skills')),
      await alice.get(at(checkout, 'files/content?path=a')),
      await alice.post(at(checkout, 'discard-uncommitted')),
    ];
    for (const { status } of answers) expect([200, 400, 404, 409, 503]).toContain(status);
    return JSON.stringify(answers.map(({ body }) => body as unknown));
  };

  it('runs what it brings along in its sandbox or not at all', async () => {
    const checkout = await startCheckout(server, alice);
    const mark = join(outside, 'ran');
    // Each says where it ran: with the host's files in reach, or in the sandbox.
    await checkout.run(`
      ${BASE} && printf '#!/bin/sh\\necho "$0" >> ~/ran; touch ${mark}; cat ${outside}/secret; cat "$@"\\n' > ~/evil
      chmod +x ~/evil && for hook in pre-commit post-checkout post-index-change reference-transaction; do
        cp ~/evil .git/hooks/$hook; done
      for key in core.fsmonitor core.pager core.editor core.sshCommand core.askPass diff.external diff.x.textconv \\
          diff.x.command filter.x.clean filter.x.smudge filter.x.process merge.x.driver credential.helper gpg.program \\
          uploadpack.packObjectsHook core.alternateRefsCommand pager.status pager.diff interactive.diffFilter; do
        git config "$key" "$HOME/evil"; done
      git config core.hooksPath "$HOME" && git config alias.status "!$HOME/evil" && git config filter.x.required true
      git config include.path ${outside}/secret && git config core.attributesFile ${outside}/secret
      echo '* diff=x filter=x merge=x' > .git/info/attributes && echo x >> a && echo n > n`);
    const told = await askAll(checkout);
    expect(told).not.toContain('host-secret');
    expect(existsSync(mark)).toBe(false);
    const ran = await checkout.run('sort -u ~/ran 2> /dev/null || true');
    // Filters decide what a file's content is: these alone are run.
    expect(ran.split('\n').filter((line) => line !== '' && !line.endsWith('/evil'))).toEqual([]);
  });

  it.each<[string, (checkout: Checkout) => Promise<unknown>]>([
    [
      'a .git that is a link to a repository of the host',
      async (checkout) => {
        await checkout.run('rm -rf .git');
        await symlink(join(outside, 'repo.git'), join(checkout.disk, 'work/.git'));
      },
    ],
    [
      'a .git file that points out',
      (checkout) => checkout.run(`rm -rf .git && echo "gitdir: ${outside}/repo.git" > .git`),
    ],
    ['a work tree elsewhere', (checkout) => checkout.run(`git config core.worktree ${outside}`)],
    ['a work tree at the root', (checkout) => checkout.run('git config core.worktree /')],
    [
      'alternates elsewhere',
      (checkout) => checkout.run(`echo ${outside}/repo.git/objects > .git/objects/info/alternates`),
    ],
    ['a bare repository', (checkout) => checkout.run('git config core.bare true')],
    ['a link as its index', (checkout) => checkout.run(`rm .git/index && ln -s ${outside}/secret .git/index`)],
    ['broken objects', (checkout) => checkout.run('chmod -R u+w .git/objects && rm -rf .git/objects/??')],
    [
      'a submodule with hooks and a monitor',
      (checkout) =>
        checkout.run(`git init -q sub && git -C sub commit -q --allow-empty -m s && git add sub && git commit -qm sub
          git -C sub config core.fsmonitor "touch ${outside}/ran; echo ran >> ~/ran" && touch sub/x
          printf '[submodule "s"]\\n path = sub\\n url = ext::sh -c touch%% ${outside}/ran\\n update = !touch ${outside}/ran\\n' > .gitmodules`),
    ],
  ])('reaches nothing of the host by %s', async (_name, prepare) => {
    const checkout = await startCheckout(server, alice);
    await checkout.run(BASE);
    await prepare(checkout);
    expect(await askAll(checkout)).not.toContain('host-secret');
    expect(existsSync(join(outside, 'ran'))).toBe(false);
    expect(await readFile(join(outside, 'secret'), 'utf8')).toBe('host-secret');
  });
});

describe('what has to be so before anything is done', () => {
  const calls = (client: Client, id: string): Promise<{ status: number; body: unknown }>[] => [
    client.get(`/api/sessions/${id}/files`),
    client.get(`/api/sessions/${id}/files/content?path=a`),
    client.get(`/api/sessions/${id}/diff`),
    client.get(`/api/sessions/${id}/skills`),
    client.post(`/api/sessions/${id}/discard-uncommitted`),
    client.post(`/api/sessions/${id}/generate-commit-message`),
    client.post('/api/git-status', { sessionId: id }),
  ];
  const others = (client: Client, id: string): Promise<{ status: number; body: unknown }>[] => [
    client.get(`/api/sessions/${id}/diff/cached`),
    client.post(`/api/sessions/${id}/checks/fix`, { checkRuns: [{ name: 'x' }] }),
    client.get(`/api/sessions/${id}/code-editor`),
    client.post(`/api/sessions/${id}/code-editor`),
    client.delete(`/api/sessions/${id}/code-editor`),
    client.post(`/api/sessions/${id}/dev-server`),
    client.delete(`/api/sessions/${id}/dev-server`),
  ];
  const all = (client: Client, id: string): Promise<{ status: number; body: unknown }[]> =>
    Promise.all([...calls(client, id), ...others(client, id)]);

  it('is a session of one’s own', async () => {
    const { id } = await startCheckout(server, alice);
    for (const answer of await all(bob, id))
      expect(answer).toMatchObject({ status: 403, body: { status: 'error', error: 'Forbidden' } });
    for (const missing of ['unknown', 'a%20b', 'x'.repeat(300)])
      for (const answer of await all(alice, missing))
        expect(answer).toMatchObject({ status: 404, body: { error: 'Session not found' } });
    for (const answer of await all(new Client(server.url, null), id)) expect(answer.status).toBe(401);
  });

  it('is a sandbox that is up', async () => {
    const { id } = await startCheckout(server, alice);
    const db = server.app.get(Database);
    for (const state of ['hibernated', 'hibernating', 'failed', 'archived', null]) {
      await db.query('update sandbox set state = $2 where id = $1', [id, state]);
      for (const answer of await Promise.all(calls(alice, id)))
        expect(answer).toMatchObject({
          status: 409,
          body: { error: 'Sandbox is unavailable. Please resume sandbox.', code: 'sandbox_stopped' },
        });
    }
    const { body } = await alice.post('/api/sessions');
    for (const answer of await Promise.all(calls(alice, (body as { session: { id: string } }).session.id)))
      expect(answer).toMatchObject({ status: 400, body: { error: 'Sandbox not initialized' } });
  });

  it('is the scope to write, for what writes', async () => {
    const { id } = await startCheckout(server, alice);
    const minted = await alice.post('/api/v1/auth/keys', { scopes: ['sandboxes:read'] });
    const reader = new Client(server.url, (minted.body as { raw_key: string }).raw_key);
    expect((await reader.get(`/api/sessions/${id}/files`)).status).toBe(200);
    for (const path of ['discard-uncommitted', 'generate-commit-message', 'dev-server', 'code-editor'])
      expect((await reader.post(`/api/sessions/${id}/${path}`)).status).toBe(403);
  });
});

it('has no network, and knows of no proxy, unless the deployment allows hosts', async () => {
  const checkout = await startCheckout(server, alice);
  expect(
    await checkout.run('env | grep -ci proxy || true; tail -n +3 /proc/net/dev | cut -d: -f1; ls /opt/sandbox'),
  ).toBe('0\n    lo\nworkspace\n');
});
