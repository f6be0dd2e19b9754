import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Controller, type ExecutionContext, Get, Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import type { Server } from 'node:http';
import { Database, loadConfig, Public, type Route, RouteTable, SCOPES, SCOPES_WITHOUT_ROUTES } from '#platform';
import { AppModule } from '../../apps/server/src/app.module.js';
import { createApplication } from '../../apps/server/src/application.js';
import { Client, createRepo, signUp, type TestAccount } from '../support/client.js';
import { overlapOf } from '../support/overlapping-routes.js';
import { head, rawRequest } from '../support/raw-http.js';
import { startTestServer, type TestServer } from '../support/server.js';

const SNAPSHOT = join(import.meta.dirname, '../architecture/routes.txt');

/** Who names an id that cannot be guessed needs no key. */
const OPEN_BY_ID = ['GET /api/v1/handoffs/:id/summary'];

let server: TestServer;
let alice: TestAccount;
let routes: Route[];

beforeAll(async () => {
  server = await startTestServer();
  alice = await signUp(server);
  await createRepo(alice, 'demo');
  routes = server.app.get(RouteTable).routes();
});

afterAll(async () => {
  await server.close();
});

/** A path of the route that names things which exist where that is easily said. */
function pathOf(route: Pick<Route, 'path'>): string {
  return route.path
    .replace(':account', alice.slug)
    .replace(':slug', 'demo')
    .replace(/:\w*id\b/g, '00000000-0000-4000-8000-000000000000')
    .replace(/[:*]\w+/g, 'main')
    .replace(/info\/refs$/, 'info/refs?service=git-upload-pack');
}

describe('the route table', () => {
  it('is the one in test/architecture/routes.txt: a changed line there is a changed promise', () => {
    const expected = readFileSync(SNAPSHOT, 'utf8').trimEnd().split('\n');
    expect(server.app.get(RouteTable).describe()).toEqual(expected);
  });

  it('uses every scope there is, but for those that are listed as waiting for their routes', () => {
    const used = new Set(routes.flatMap(({ rule }) => (rule?.kind === 'scopes' ? rule.scopes : [])));
    expect([...used, ...SCOPES_WITHOUT_ROUTES].sort()).toEqual(Object.keys(SCOPES).sort());
  });

  it('agrees with the API document on what every route demands', async () => {
    const { body: document } = await alice.get('/api/openapi.json');
    expect(document['x-scopes']).toEqual(SCOPES);
    for (const { rule, method, path, handler } of routes) {
      if (!rule || rule.kind === 'public') continue;
      const operation = document.paths[path.replace(/[:*](\w+)/g, '{$1}')]?.[method.toLowerCase()];
      const demanded = rule.kind === 'scopes' ? rule.scopes : rule.kind === 'authenticated' ? [] : ['*'];
      expect({ handler, scopes: operation?.['x-required-scopes'] }).toEqual({ handler, scopes: demanded });
    }
  });

  it('knows which methods a path has', () => {
    const table = server.app.get(RouteTable);
    expect(table.methodsOf('/v1/repos')).toEqual(['GET', 'POST']);
    expect(table.methodsOf('/v1/repos/a/branches/with/slashes')).toEqual(['DELETE', 'GET']);
    expect(table.methodsOf('/v1/repos/')).toEqual([]);
  });
});

describe('every route that is not public', () => {
  const closed = (): Route[] => routes.filter(({ rule }) => rule?.kind !== 'public');

  it('answers 401 to a caller without a key, or 404 where naming an id is enough', async () => {
    const nobody = new Client(server.url, null);
    for (const route of closed()) {
      const name = `${route.method} ${route.path}`;
      const { status } = await nobody.send(route.method, pathOf(route));
      expect({ name, status }).toEqual({ name, status: OPEN_BY_ID.includes(name) ? 404 : 401 });
    }
  });

  it('answers 403 to a key without scopes, and says so in the audit log', async () => {
    const { body } = await alice.post('/api/v1/auth/keys', { name: 'nothing', scopes: [] });
    const powerless = new Client(server.url, body.raw_key as string);
    for (const route of closed()) {
      const { status, headers } = await powerless.send(route.method, pathOf(route));
      const audited = await server.app
        .get(Database)
        .query(`select 1 from audit where action = 'access.denied' and request_id = $1 and actor_key_id = $2`, [
          headers.get('x-request-id'),
          body.key_id,
        ]);
      expect({ route: `${route.method} ${route.path}`, status, audited: audited.length }).toEqual({
        route: `${route.method} ${route.path}`,
        status: 403,
        audited: 1,
      });
    }
  });
});

describe('overlapping routes', () => {
  const route = (path: string): Route => ({ method: 'GET', path, rule: undefined, handler: path });

  it.each([
    ['/a/:x', '/a/b', '/a/b', '/a/b'],
    ['/a/*x', '/a/:y/c', '/a/x/c', '/a/:y/c'],
    ['/:x.git/refs', '/:y/refs', '/x.git/refs', null],
  ])('are found: %s and %s meet at %s', (a, b, path, winner) => {
    expect(overlapOf(route(a), route(b))).toEqual({ path, winner: winner === null ? null : route(winner) });
  });

  it.each([
    ['/a/:x', '/b/:x'],
    ['/a/:x.git', '/a/b'],
    ['/a/:x', '/a'],
  ])('are not imagined: %s and %s never meet', (a, b) => {
    expect(overlapOf(route(a), route(b))).toBeNull();
  });

  it('are a literal over a parameter, and the literal wins over HTTP', async () => {
    const handled: string[] = [];
    const canActivate = (context: ExecutionContext): boolean => {
      handled.push(`${context.getClass().name}.${context.getHandler().name}`);
      return false;
    };
    const root = {
      module: PlantedModule,
      imports: [AppModule.forRoot(server.config)],
      providers: [{ provide: APP_GUARD, useValue: { canActivate } }],
    };
    const app = await createApplication(server.config, root);
    await app.listen(0, '127.0.0.1');
    const { port } = (app.getHttpServer() as Server).address() as { port: number };
    try {
      const all = app.get(RouteTable).routes();
      const pairs = all.flatMap((a, index) =>
        all.slice(index + 1).flatMap((b) => (a.method === b.method ? (overlapOf(a, b) ?? []) : [])),
      );
      expect(pairs.map(({ path }) => path)).toContain('/planted/literal');
      for (const { path, winner } of pairs) {
        handled.length = 0;
        if (winner) await fetch(`http://127.0.0.1:${port}${path}`, { method: winner.method });
        expect({ path, handled }).toEqual({ path, handled: [winner?.handler] });
      }
    } finally {
      await app.close();
    }
  });

  @Public()
  @Controller('planted')
  class PlantedController {
    @Get(':thing')
    any(): void {}

    @Get('literal')
    literal(): void {}
  }

  @Module({ controllers: [PlantedController] })
  class PlantedModule {}
});

describe('a route without an access rule', () => {
  @Controller('forgotten')
  class ForgottenController {
    @Get(':thing')
    open(): string {
      return 'anyone reads this';
    }
  }

  @Module({ controllers: [ForgottenController] })
  class ForgottenModule {}

  it('keeps the server from starting, and is named', async () => {
    const config = loadConfig({
      DATABASE_URL: server.databaseUrl,
      DATA_DIR: server.dataDir,
      LOG_LEVEL: 'silent',
      STORE_WORKERS: '1',
    });
    const root = { module: ForgottenModule, imports: [AppModule.forRoot(config)] };
    const app = await createApplication(config, root);
    try {
      await expect(app.init()).rejects.toThrow('GET /forgotten/:thing (ForgottenController.open)');
    } finally {
      await app.close();
    }
  });
});

describe('a key', () => {
  const basic = (password: string): string => Buffer.from(`anyone:${password}`).toString('base64');
  const status = async (...headers: string[]): Promise<number> =>
    (await rawRequest(server.url, [head('GET /v1/repos', ...headers)])).status;
  let other: string;

  beforeAll(async () => {
    other = (await alice.post('/api/v1/auth/keys', { name: 'other' })).body.raw_key as string;
  });

  it('is taken in every place, with scheme names in any case', async () => {
    for (const header of [
      `x-api-key: ${alice.key}`,
      `X-API-KEY:   ${alice.key}  `,
      `Authorization: Bearer ${alice.key}`,
      `authorization: bearer ${alice.key}`,
      `Authorization: BEARER   ${alice.key}`,
      `Authorization: Basic ${basic(alice.key!)}`,
      `Authorization: bAsIc ${basic(alice.key!)}`,
    ]) {
      expect({ header, status: await status(header) }).toEqual({ header, status: 200 });
    }
  });

  it('may be said twice, as long as it is the same', async () => {
    expect(await status(`x-api-key: ${alice.key}`, `Authorization: Bearer ${alice.key}`)).toBe(200);
    expect(await status(`x-api-key: ${alice.key}`, `x-api-key: ${alice.key}`)).toBe(200);
    expect(await status(`Authorization: Bearer ${alice.key}`, `Authorization: bearer ${alice.key}`)).toBe(200);
    expect(await status(`x-api-key: ${alice.key}`, `Authorization: Basic ${basic(alice.key!)}`)).toBe(200);
  });

  it('is refused beside a different one, valid or not', async () => {
    const wrong = alice.key!.replace(/.$/, (last) => (last === '0' ? '1' : '0'));
    for (const second of [other, wrong]) {
      expect(await status(`x-api-key: ${alice.key}`, `Authorization: Bearer ${second}`)).toBe(401);
      expect(await status(`x-api-key: ${second}`, `x-api-key: ${alice.key}`)).toBe(401);
      expect(await status(`x-api-key: ${alice.key}`, `x-api-key: ${second}`)).toBe(401);
      expect(await status(`Authorization: Bearer ${alice.key}`, `Authorization: Bearer ${second}`)).toBe(401);
      expect(await status(`Authorization: Basic ${basic(second)}`, `Authorization: Bearer ${alice.key}`)).toBe(401);
    }
  });

  it('is refused when it is malformed, cut, padded or of an unknown scheme', async () => {
    for (const header of [
      'x-api-key: nonsense',
      `x-api-key: ${alice.key!.slice(0, -1)}`,
      `x-api-key: ${alice.key}0`,
      `x-api-key: Bearer ${alice.key}`,
      `Authorization: ${alice.key}`,
      `Authorization: Token ${alice.key}`,
      'Authorization: Basic !!!',
      'Authorization: Bearer',
      'x-api-key:',
    ]) {
      expect({ header, status: await status(header) }).toEqual({ header, status: 401 });
    }
  });

  it('does not act for another account', async () => {
    const bob = await signUp(server);
    expect(await status(`x-api-key: ${alice.key}`, `X-Account: ${alice.slug}`)).toBe(200);
    expect(await status(`x-api-key: ${alice.key}`, `X-Account: ${bob.slug}`)).toBe(403);
  });
});
