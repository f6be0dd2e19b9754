import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Body, Controller, Get, HttpCode, Module, Param, Post } from '@nestjs/common';
import { IsInt } from 'class-validator';
import { Caller, Database, type Principal, RequireScopes, type Tier, UserOnly } from '#platform';
import { RequiresFeature } from '#accounts';
import { AppModule } from '../../apps/server/src/app.module.js';
import { admin, Client, signUp, type TestAccount } from '../support/client.js';
import { addMember, makeOrganisation, setTier } from '../support/organisations.js';
import { eventually } from '../support/pinned-sessions.js';
import { type RootModule, startTestServer, type TestServer } from '../support/server.js';

const SNAPSHOT = join(import.meta.dirname, '../architecture/features.txt');

class GatedBody {
  @IsInt() count!: number;
}

let reached = 0;

@Controller('api/v1/gated')
class GatedController {
  @Post(':id')
  @HttpCode(202)
  @UserOnly()
  @RequiresFeature('team_management')
  inTheMiddle(@Caller() caller: Principal, @Param('id') id: string, @Body() body: GatedBody): object {
    reached += 1;
    return { id, count: body.count, userId: caller.userId, self: this instanceof GatedController };
  }

  @RequiresFeature('handoff')
  @Get()
  @RequireScopes('handoffs:read')
  onTop(): object {
    reached += 1;
    return { ok: true };
  }
}

let server: TestServer;
let root: Client;

beforeAll(async () => {
  server = await startTestServer({ DEFAULT_TIER: 'free', PUBLIC_URL: 'https://code.example.com' }, withGatedRoutes);
  root = await admin(server);
});

afterAll(async () => {
  await server.close();
});

beforeEach(() => {
  reached = 0;
});

const withGatedRoutes: RootModule = (config) => {
  @Module({ controllers: [GatedController] })
  class WithGatedRoutes {}
  return { module: WithGatedRoutes, imports: [AppModule.forRoot(config)] };
};

const refusal = (feature: string, current: Tier, required: Tier) => {
  const details = {
    feature,
    current_tier: current,
    required_tier: required,
    upgrade_url: 'https://code.example.com/docs/tiers',
  };
  const message = `This feature requires ${required} or above.`;
  return {
    error: { code: '403', message, details: { error: 'upgrade_required', ...details } },
    detail: { error: 'upgrade_required', message, ...details },
  };
};

describe('a gated route', () => {
  it('answers the exact body of a gate to a tier below, and serves the tier itself', async () => {
    const account = await signUp(server);
    const refused = await account.post('/api/v1/gated/7', { count: 1 });
    expect(refused).toMatchObject({ status: 403 });
    expect(refused.body).toEqual(refusal('team_management', 'free', 'team'));
    expect((await account.get('/api/v1/gated')).body).toEqual(refusal('handoff', 'free', 'pro'));
    expect(reached).toBe(0);
    await setTier(root, account, 'pro');
    expect((await account.get('/api/v1/gated')).body).toEqual({ ok: true });
    expect((await account.post('/api/v1/gated/7', { count: 1 })).body).toEqual(
      refusal('team_management', 'pro', 'team'),
    );
    await setTier(root, account, 'team');
    const served = await account.post('/api/v1/gated/7', { count: 2 });
    expect(served).toMatchObject({ status: 202, body: { id: '7', count: 2, userId: account.userId, self: true } });
  });

  it('asks for access first, for a valid body second and for the plan last', async () => {
    const account = await signUp(server);
    expect((await new Client(server.url, null).post('/api/v1/gated/7', {})).status).toBe(401);
    const { body: key } = await account.post('/api/v1/auth/keys', { scopes: ['repos:read'] });
    const narrow = new Client(server.url, key.raw_key as string);
    const denied = await narrow.post('/api/v1/gated/7', {});
    expect(denied).toMatchObject({ status: 403, body: { error: { details: { error: 'insufficient_scope' } } } });
    for (const body of [{}, { count: 'x' }]) expect((await account.post('/api/v1/gated/7', body)).status).toBe(422);
    expect((await account.post('/api/v1/gated/7', { count: 1 })).status).toBe(403);
    expect(reached).toBe(0);
  });

  it('asks under an Idempotency-Key as well, and the key is free again afterwards', async () => {
    const account = (await signUp(server)).with({ 'idempotency-key': 'one' });
    expect((await account.post('/api/v1/gated/7', { count: 1 })).status).toBe(403);
    expect((await account.post('/api/v1/gated/7', { count: 2 })).status).toBe(403);
    expect(reached).toBe(0);
  });

  it('serves platform administrators whatever their account has', async () => {
    const { body: me } = await root.get('/api/v1/auth/me');
    const tier = `update account set tier = 'free' where id = (select account_id from app_user where id = $1)`;
    await server.app.get(Database).query(tier, [me.user_id]);
    expect((await root.post('/api/v1/gated/7', { count: 1 })).status).toBe(202);
  });

  it('says so in the API document', async () => {
    const { body: document } = await root.get('/api/openapi.json');
    const operation = document.paths['/api/v1/gated/{id}'].post;
    expect(operation).toMatchObject({
      'x-required-feature': 'team_management',
      responses: { 403: { description: expect.stringContaining('upgrade_required') } },
    });
  });
});

describe('whose tier decides', () => {
  const tierSeen = async (account: TestAccount): Promise<string | null> => {
    const { status, body } = await account.post('/api/v1/gated/7', { count: 1 });
    return status === 202 ? null : (body.detail.current_tier as string);
  };

  it("is the home organisation's, even when the own one is higher", async () => {
    const account = await signUp(server);
    await setTier(root, account, 'enterprise');
    await addMember(server, await makeOrganisation(server, 'pro'), account, 'member');
    expect(await tierSeen(account)).toBe('pro');
  });

  it('is of the organisation joined first among several, or of the default one', async () => {
    const account = await signUp(server);
    const first = await makeOrganisation(server, 'starter');
    const second = await makeOrganisation(server, 'pro');
    const third = await makeOrganisation(server, 'team');
    for (const org of [first, second, third]) await addMember(server, org, account, 'member');
    expect(await tierSeen(account)).toBe('starter');
    const db = server.app.get(Database);
    await db.query('update app_user set default_org_id = $2 where id = $1', [account.userId, second.id]);
    expect(await tierSeen(account)).toBe('pro');
    await db.query('update app_user set default_org_id = $2 where id = $1', [account.userId, third.id]);
    expect(await tierSeen(account)).toBeNull();
  });

  it('is that of the organisation a key acts for', async () => {
    const account = await signUp(server);
    await addMember(server, await makeOrganisation(server, 'starter'), account, 'member');
    const team = await makeOrganisation(server, 'team');
    await addMember(server, team, account, 'member');
    expect(await tierSeen(account)).toBe('starter');
    const db = server.app.get(Database);
    await db.query('update api_key set account_id = $2 where id = $1', [account.keyId, team.accountId]);
    await db.query(`insert into revocation (kind, subject_id) values ('key', $1)`, [account.keyId]);
    await eventually(async () => (await tierSeen(account)) === null);
  });

  it('counts as free from the instant its time is over', async () => {
    const account = await signUp(server);
    await setTier(root, account, 'team');
    expect(await tierSeen(account)).toBeNull();
    const db = server.app.get(Database);
    await db.query(
      `update entitlement set expires_at = now() - interval '1 second'
        where ended_at is null and account_id = (select account_id from app_user where id = $1)`,
      [account.userId],
    );
    expect(await tierSeen(account)).toBe('free');
  });
});

describe('the gated routes of the server', () => {
  interface Gated {
    readonly method: string;
    readonly path: string;
    readonly feature: string;
  }

  let gated: Gated[];

  beforeAll(async () => {
    const { body: document } = await root.get('/api/openapi.json');
    gated = Object.entries(document.paths as Record<string, Record<string, Record<string, unknown>>>).flatMap(
      ([path, operations]) =>
        Object.entries(operations).flatMap(([method, operation]) => {
          const feature = operation['x-required-feature'] as string | undefined;
          if (feature === undefined || path.startsWith('/api/v1/gated')) return [];
          return [{ method: method.toUpperCase(), path, feature }];
        }),
    );
  });

  it('are those of test/architecture/features.txt', () => {
    const lines = gated.map(({ method, path, feature }) => `${method} ${path} → ${feature}`).sort();
    const expected = readFileSync(SNAPSHOT, 'utf8').split('\n').filter(Boolean);
    expect(lines).toEqual(expected);
  });

  it('never serve a caller of the free tier', async () => {
    const account = await signUp(server);
    const served: string[] = [];
    for (const { method, path, feature } of gated) {
      const { status, body } = await account.send(method, path.replace(/\{\w+\}/g, 'org_0123456789abcdef'));
      const isGate = status === 403 && body?.detail?.feature === feature;
      // What the body lacks is said first; a route that lets {} pass must have asked for the plan.
      if (!isGate && status !== 422) served.push(`${method} ${path} answered ${status}`);
    }
    expect(served).toEqual([]);
  });
});
