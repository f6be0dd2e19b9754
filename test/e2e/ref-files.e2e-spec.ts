import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { RefProjector } from '../../libs/repos/src/ref-projector.js';
import { createRepo, signUp, type TestAccount } from '../support/client.js';
import { startTestServer, type TestServer } from '../support/server.js';
import { expectSound, storedRepo } from '../support/stored-repo.js';

describe('refs on disk', () => {
  let server: TestServer;
  let owner: TestAccount;

  beforeAll(async () => {
    server = await startTestServer();
    owner = await signUp(server, 'projecting');
  });
  afterAll(() => server.close());

  const commit = async (slug: string, path: string): Promise<string> => {
    const changes = [{ path, content: path }];
    const answer = await owner.post(`/v1/repos/${slug}/commits`, { branch: 'main', message: path, changes });
    expect(answer.status).toBe(201);
    return answer.body.sha as string;
  };

  it('follow the commits to many repositories by themselves', async () => {
    const slugs = await Promise.all(Array.from({ length: 20 }, (_, number) => createRepo(owner, `many-${number}`)));
    const heads = await Promise.all(slugs.map((slug) => commit(slug, 'a')));
    const ids = await Promise.all(slugs.map(async (slug) => (await owner.get(`/v1/repos/${slug}`)).body.id as string));
    while ((await server.app.get(RefProjector).behind(ids)).size > 0) await setTimeout(20);
    for (const [index, slug] of slugs.entries()) {
      const repo = await storedRepo(server, owner, slug);
      expect(await readFile(join(repo.directory, 'packed-refs'), 'utf8')).toContain(`${heads[index]} refs/heads/main`);
      await expectSound(server, repo);
    }
  });

  it('hold the default branch, before and after it changes, whatever is committed in between', async () => {
    const slug = await createRepo(owner, 'heading');
    const sha = await commit(slug, 'a');
    const head = async (): Promise<string> =>
      readFile(join((await storedRepo(server, owner, slug)).directory, 'HEAD'), 'utf8');
    expect(await head()).toBe('ref: refs/heads/main\n');
    const created = await owner.post(`/v1/repos/${slug}/branches`, { name: 'next', sha });
    expect(created.status).toBe(201);
    expect((await owner.patch(`/v1/repos/${slug}`, { default_branch: 'next' })).status).toBe(200);
    await commit(slug, 'b');
    expect(await head()).toBe('ref: refs/heads/next\n');
    await commit(slug, 'c');
    expect(await head()).toBe('ref: refs/heads/next\n');
  });
});
