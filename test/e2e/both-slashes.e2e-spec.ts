import { RouteTable } from '#platform';
import { type Answer, Client, createRepo, signUp, type TestAccount } from '../support/client.js';
import { startTestServer, type TestServer } from '../support/server.js';

let server: TestServer;
let alice: TestAccount;
let nobody: Client;

beforeAll(async () => {
  server = await startTestServer();
  alice = await signUp(server);
  nobody = new Client(server.url, null);
});

afterAll(async () => {
  await server.close();
});

describe('a trailing slash on the captured surface', () => {
  it('makes no difference on any route', async () => {
    const routes = server.app.get(RouteTable).routes();
    const captured = routes.filter(({ path }) => path.startsWith('/api/v1/') && !path.includes('*'));
    expect(captured.length).toBeGreaterThan(5);
    for (const { method, path } of captured) {
      const address = path.replace(/:\w+/g, 'x');
      const [plain, slashed] = [await nobody.send(method, address), await nobody.send(method, `${address}/`)];
      const shown = `${method} ${address}`;
      // What succeeds may answer a fresh secret each time; what fails says why, word for word.
      const told = ({ status, body }: Answer): object => ({
        shown,
        status,
        ...(status < 400 ? { members: Object.keys(Object(body)) } : { body }),
      });
      expect(told(slashed)).toEqual(told(plain));
      expect(plain.body?.error?.message).not.toBe('Not Found');
    }
  });

  it('keeps the query and the body', async () => {
    const created = await alice.post('/api/v1/auth/keys/?x=/', { name: 'slashed' });
    expect(created).toMatchObject({ status: 201, body: { name: 'slashed' } });
    const listed = await alice.get('/api/v1/auth/keys/');
    expect(listed.body.map((key: { name: string }) => key.name)).toContain('slashed');
  });

  it.each(['/api/v1/auth/keys//', '/api/v1//auth/keys', '/api/v1/', '/api/v1'])('is one slash: %s', async (path) => {
    expect(await alice.get(path)).toMatchObject({ status: 404, body: { error: { message: 'Not Found' } } });
  });

  it('is another path on the git surface', async () => {
    await createRepo(alice, 'slashes');
    expect((await alice.get('/v1/repos/slashes')).status).toBe(200);
    expect((await alice.get('/v1/repos/slashes/')).status).toBe(404);
    expect((await alice.get('/v1/repos/')).status).toBe(404);
  });
});
