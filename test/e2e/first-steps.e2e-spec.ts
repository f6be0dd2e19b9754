import { admin, Client, createRepo, signUp } from '../support/client.js';
import { startTestServer, type TestServer } from '../support/server.js';

describe('first steps', () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startTestServer();
  });

  afterAll(async () => {
    await server.close();
  });

  it('signs up, creates a repository, commits and reads the file back', async () => {
    const alice = await signUp(server);
    await createRepo(alice, 'demo');
    const commit = await alice.post('/v1/repos/demo/commits', {
      branch: 'main',
      message: 'Add greeting',
      changes: [{ path: 'docs/hello.txt', content: 'hello\n' }],
    });
    expect(commit.status).toBe(201);
    expect(commit.body.sha).toMatch(/^[0-9a-f]{40}$/);
    const blob = await alice.get('/v1/repos/demo/blob/main/docs/hello.txt');
    expect(blob.body).toMatchObject({ content: 'hello\n', encoding: 'utf-8', size: 6 });
  });

  it('writes the key of the first administrator, who may change tiers', async () => {
    const root = await admin(server);
    const bob = await signUp(server);
    const changed = await root.put(`/api/v1/admin/users/${bob.userId}/tier`, { tier: 'free' });
    expect(changed).toMatchObject({
      status: 200,
      body: { user_id: bob.userId, old_tier: 'enterprise', new_tier: 'free' },
    });
    expect((await bob.put(`/api/v1/admin/users/${bob.userId}/tier`, { tier: 'pro' })).status).toBe(403);
  });

  it('refuses callers without a key in the envelope of each surface', async () => {
    const nobody = new Client(server.url, null);
    expect(await nobody.get('/v1/repos')).toMatchObject({ status: 401, body: { code: 'UNAUTHORIZED' } });
    expect(await nobody.get('/api/v1/auth/me')).toMatchObject({ status: 401, body: { error: { code: '401' } } });
  });
});
