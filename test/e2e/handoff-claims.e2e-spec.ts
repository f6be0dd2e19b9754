import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { createGunzip } from 'node:zlib';
import pg from 'pg';
import { extract } from 'tar-stream';
import { newSessionId, pushSession, sessionArchive, userSays } from '../support/captured-sessions.js';
import { admin, type Answer, Client } from '../support/client.js';
import { at, eventsOf, handedOff, handOff, ownSession, type Person, person } from '../support/handoffs.js';
import { addMember, createOrg, setTier } from '../support/organisations.js';
import { eventually, mintKey, sql } from '../support/pinned-sessions.js';
import { startServerProcess } from '../support/server-process.js';
import { startTestServer, type TestServer } from '../support/server.js';

let server: TestServer;
let ann: Person;
let bo: Person;

beforeAll(async () => {
  server = await startTestServer();
  [ann, bo] = [await person(server, 'ann'), await person(server, 'bo')];
});

afterAll(async () => {
  await server.close();
});

const toBo = (): Promise<string> => handedOff(ann, { recipient_user_id: bo.userId });

/** Hands a session to Bo, who claims it; both ids. */
async function claimed(session: string, by: Client = bo): Promise<{ handoff: string; copy: string }> {
  const { body } = await handOff(ann, session, { recipient_user_id: bo.userId });
  const answer = await by.post(at(body.id, '/claim'));
  expect(answer).toMatchObject({ status: 200, body: { status: 'claimed', comments: [], events: [] } });
  return { handoff: body.id, copy: answer.body.recipient_session_id };
}

interface Pulled {
  readonly archive: Buffer;
  readonly etag: string;
  readonly members: Record<string, string>;
}

async function pull(client: Client, path: string, account: Record<string, string> = {}): Promise<Pulled> {
  const headers = { 'x-api-key': client.key!, ...account };
  const response = await fetch(`${client.url}/api/v1/sessions/${path}`, { headers });
  expect(response.status).toBe(200);
  const archive = Buffer.from(await response.arrayBuffer());
  const members: Record<string, string> = {};
  const tar = Readable.from([archive]).pipe(createGunzip()).pipe(extract());
  for await (const entry of tar) members[entry.header.name] = (await buffer(entry)).toString();
  return { archive, etag: response.headers.get('etag')!, members };
}

const count = async (from: string): Promise<number> =>
  (await sql<{ n: number }>(server, `select count(*)::int as n from ${from}`))[0]!.n;

describe('a claim', () => {
  it('gives the claimer a session of their own with what is known of the source, and shares its bytes', async () => {
    const session = await ownSession(ann, {
      ...{ model: { provider: 'p', model_id: 'demo-1' }, tags: ['parser'], ticket_id: 'tk_1', persona_name: 'ada' },
      instruction_provenance: { rules_source: 'repo', rules_version: '3' },
    });
    const before = [await count('blob'), (await ann.get(`/api/v1/sessions/${session}`)).body] as const;
    const { copy } = await claimed(session);
    expect(copy).toMatch(/^ses_[0-9a-f]{16}$/);
    const { body } = await bo.get(`/api/v1/sessions/${copy}`);
    const { id: _id, etag, updated_at: _at, uploaded_at: _up, ...rest } = before[1];
    expect(body).toMatchObject({ ...rest, original_session_id: session, parent_session_id: session });
    expect(body.etag).toMatch(/^[0-9a-f]{64}$/);
    expect(body.etag).not.toBe(etag);
    expect((await bo.get(`/api/v1/sessions/${copy}/provenance`)).body).toMatchObject({ rules_version: '3' });
    expect((await bo.get(`/api/v1/sessions/${copy}/messages`)).body.total).toBe(1);
    expect(await count('blob')).toBe(before[0]);
    expect((await bo.get(`/api/v1/sessions/${session}`)).status).toBe(404);
    expect((await ann.get(`/api/v1/sessions/${copy}`)).status).toBe(404);
    await sql(server, 'delete from captured_session where id = $1', [session]);
    expect((await pull(bo, `${copy}/sync`)).members['messages.jsonl']).toContain('tab break');
  });

  it('is pulled with a manifest that names it, under an ETag that stays', async () => {
    const session = await ownSession(ann);
    const { copy } = await claimed(session);
    const [source, own, again] = [
      await pull(ann, `${session}/sync`),
      await pull(bo, `${copy}/sync`),
      await pull(bo, `${copy}/download`),
    ];
    const { 'manifest.json': manifest, ...others } = own.members;
    const { 'manifest.json': given, ...theirs } = source.members;
    expect(JSON.parse(manifest!)).toEqual({ ...JSON.parse(given!), session_id: copy });
    expect(others).toEqual(theirs);
    expect(again).toEqual(own);
    expect(own.etag).toBe(`"${(await bo.get(`/api/v1/sessions/${copy}`)).body.etag}"`);
    expect((await bo.get(`/api/v1/sessions/${copy}/sync`, { 'if-none-match': own.etag })).status).toBe(304);
    expect(await pull(bo, `${copy}/sync?etag=${own.etag.slice(1, -1)}`)).toEqual(own);
  });

  it('is shared with strangers under its own name too', async () => {
    const session = await ownSession(ann);
    const { copy } = await claimed(session);
    const { url } = (await bo.post(`/api/v1/sessions/${copy}/share`, {})).body as { url: string };
    const path = `share/${url.split('/').at(-1)}`;
    const shared = await pull(new Client(server.url, ''), path);
    expect(shared.members).toEqual((await pull(bo, `${copy}/sync`)).members);
    expect(JSON.stringify(shared.members)).not.toContain(session);
    expect(await pull(new Client(server.url, ''), path)).toEqual(shared);
  });

  it('is pushed back without a new version when nothing changed, and keeps where it came from when something did', async () => {
    const session = await ownSession(ann);
    const { copy } = await claimed(session);
    const { archive, etag } = await pull(bo, `${copy}/sync`);
    const same = await pushSession(bo, copy, archive, { 'if-match': etag });
    expect(same).toMatchObject({ status: 200, body: { etag: etag.slice(1, -1) } });
    const next = await sessionArchive({ session_id: copy, title: 'Go on', sync: { etag: etag.slice(1, -1) } }, [
      userSays('on'),
    ]);
    expect((await pushSession(bo, copy, next, { 'if-match': etag })).body.branch_etag).toBeNull();
    expect((await bo.get(`/api/v1/sessions/${copy}`)).body).toMatchObject({
      ...{ title: 'Go on', parent_session_id: session, original_session_id: session },
    });
    expect((await pull(bo, `${copy}/sync`)).archive.equals(next)).toBe(true);
    expect((await bo.get(`/api/v1/sessions/${copy}/versions`)).body.versions).toHaveLength(2);
  });

  it('can be handed on: each names its own', async () => {
    const cy = await person(server, 'cy');
    const { copy } = await claimed(await ownSession(ann));
    const on = await handedOnTo(cy, copy);
    expect(JSON.parse((await pull(cy, `${on}/sync`)).members['manifest.json']!).session_id).toBe(on);
    expect((await cy.get(`/api/v1/sessions/${on}`)).body.parent_session_id).toBe(copy);
  });

  async function handedOnTo(next: Person, session: string): Promise<string> {
    const { body } = await handOff(bo, session, { recipient_email: next.email });
    return (await next.post(at(body.id, '/claim'))).body.recipient_session_id as string;
  }

  it('lands in the account acted for, as far as that has room', async () => {
    const { orgId, slug } = await createOrg(bo);
    const acting = bo.with({ 'x-account': slug });
    const { copy } = await claimed(await ownSession(ann), acting);
    expect((await bo.get(`/api/v1/sessions/${copy}`)).status).toBe(404);
    expect((await acting.get(`/api/v1/sessions/${copy}`)).status).toBe(200);
    const full = await person(server, 'full');
    await setTier(await admin(server), full, 'starter');
    await sql(
      server,
      `insert into account_storage (account_id, bytes) select account_id, 524287900 from app_user where id = $1
       on conflict (account_id) do update set bytes = excluded.bytes`,
      [full.userId],
    );
    const id = await handedOff(ann, { recipient_user_id: full.userId });
    // What a key was good for a moment ago may be remembered; a new one is not.
    const key = await mintKey(full);
    expect(await key.post(at(id, '/claim'))).toMatchObject({
      ...{ status: 403, body: { error: { details: { error: 'storage_limit' } } } },
    });
    expect((await full.get(at(id))).body).toMatchObject({ status: 'pending', recipient_session_id: null });
    expect((await full.get('/api/v1/sessions')).body.total).toBe(0);
    expect(orgId).toMatch(/^org_/);
  });
});

describe('a claim under a policy', () => {
  const KEY = `sk-${'ant-api03-'}${'a1B2'.repeat(10)}`;

  /** Bo acting for an organization that looks for secrets. */
  async function underPolicy(mode: string): Promise<{ acting: Client; account: Record<string, string> }> {
    const account = { 'x-account': (await createOrg(bo)).slug };
    const acting = bo.with(account);
    expect((await acting.put('/api/v1/dlp/policy', { enabled: true, mode })).status).toBe(200);
    return { acting, account };
  }

  async function withSecret(): Promise<string> {
    const id = newSessionId();
    const archive = await sessionArchive({ session_id: id, title: 'Has a key' }, [userSays(`the key is ${KEY}`)]);
    expect((await pushSession(ann, id, archive)).status).toBe(201);
    return id;
  }

  it('that redacts gets the session without its secrets; its sender keeps them', async () => {
    const { acting, account } = await underPolicy('redact');
    const session = await withSecret();
    const { copy } = await claimed(session, acting);
    const { members, etag } = await pull(bo, `${copy}/sync`, account);
    expect(members['messages.jsonl']).toContain('[REDACTED:anthropic_api_key]');
    expect(members['messages.jsonl']).not.toContain(KEY);
    expect(JSON.parse(members['manifest.json']!).session_id).toBe(copy);
    const { body } = await acting.get(`/api/v1/sessions/${copy}`);
    expect(body).toMatchObject({ etag: etag.slice(1, -1), parent_session_id: session, original_session_id: session });
    expect(JSON.parse(body.dlp_scan_results)).toMatchObject({ action_taken: 'redact' });
    expect((await acting.get(`/api/v1/sessions/${copy}/messages`)).body.messages[0].content[0].text).not.toContain(KEY);
    expect((await pull(ann, `${session}/sync`)).members['messages.jsonl']).toContain(KEY);
  });

  it('that blocks gets nothing, and the handoff stays open, also with an Idempotency-Key', async () => {
    const { acting } = await underPolicy('block');
    const { body } = await handOff(ann, await withSecret(), { recipient_user_id: bo.userId });
    for (const headers of [{}, { 'idempotency-key': body.id as string }]) {
      expect(await acting.post(at(body.id, '/claim'), undefined, headers as Record<string, string>)).toMatchObject({
        ...{ status: 403, body: { error: { details: { error: 'dlp_blocked' } } } },
      });
    }
    expect((await bo.get(at(body.id))).body.status).toBe('pending');
    expect((await acting.get('/api/v1/sessions')).body.total).toBe(0);
  });

  it('that finds nothing shares the bytes, and says that it looked', async () => {
    const { acting } = await underPolicy('redact');
    const session = await ownSession(ann);
    const before = await count('blob');
    const { copy } = await claimed(session, acting);
    expect(await count('blob')).toBe(before);
    const { body } = await acting.get(`/api/v1/sessions/${copy}`);
    expect(JSON.parse(body.dlp_scan_results)).toMatchObject({ findings_count: 0, action_taken: 'clean' });
  });
});

describe('the source of a handoff', () => {
  it('is the session as it is when it is claimed', async () => {
    const session = await ownSession(ann);
    const { body } = await handOff(ann, session, { recipient_user_id: bo.userId });
    await pushSession(ann, session, await sessionArchive({ title: 'Later' }, [userSays('one'), userSays('two')]));
    const copy = (await bo.post(at(body.id, '/claim'))).body.recipient_session_id;
    expect((await bo.get(`/api/v1/sessions/${copy}/messages`)).body.total).toBe(2);
    expect((await bo.get(at(body.id))).body.session_title).toBe('Teach the parser about tabs');
  });

  it('opens nothing of itself before the claim', async () => {
    const session = await ownSession(ann);
    await handOff(ann, session, { recipient_user_id: bo.userId });
    for (const tail of ['', '/sync', '/messages', '/versions', '/workspace', '/download', '/provenance']) {
      expect((await bo.get(`/api/v1/sessions/${session}${tail}`)).status).toBe(404);
    }
  });

  it('that is in the trash or purged cannot be claimed; the handoff is still told of', async () => {
    const [session, purged] = [await ownSession(ann), await ownSession(ann)];
    const [{ body: one }, { body: two }] = [
      await handOff(ann, session, { recipient_user_id: bo.userId }),
      await handOff(ann, purged, { recipient_user_id: bo.userId }),
    ];
    await ann.delete(`/api/v1/sessions/${session}?scope=cloud`);
    await sql(server, 'delete from captured_session where id = $1', [purged]);
    for (const { id } of [one, two]) {
      for (const answer of [await bo.post(at(id, '/claim')), await bo.get(at(id, '/summary'))]) {
        expect(answer).toMatchObject({ status: 404, body: { error: { message: 'Source session no longer exists' } } });
      }
      expect((await bo.get(at(id))).body.session_title).toBe('Teach the parser about tabs');
    }
    expect((await ann.post(`/api/v1/sessions/${session}/restore`)).status).toBe(200);
    expect((await bo.post(at(one.id, '/claim'))).status).toBe(200);
  });

  it('that is pushed out of the trash takes what was offered of it back', async () => {
    const session = await ownSession(ann);
    const { body } = await handOff(ann, session, { recipient_user_id: bo.userId });
    await ann.delete(`/api/v1/sessions/${session}?scope=cloud`);
    const archive = await sessionArchive({ title: 'Back' }, [userSays('back')]);
    expect((await pushSession(ann, session, archive, { 'x-sessionfs-undelete': 'true' })).status).toBe(200);
    expect((await bo.post(at(body.id, '/claim'))).status).toBe(410);
    expect(await eventsOf(ann, body.id)).toEqual(['created', 'expired']);
  });
});

describe('claims at once', () => {
  it('have one winner, whom every loser is told, and one copy', async () => {
    const team = await Promise.all(Array.from({ length: 20 }, (_, i) => person(server, `racer${i}`)));
    const { orgId } = await createOrg(ann);
    const { body: made } = await ann.post('/api/v1/teams', { org_id: orgId, name: 'Racers', slug: 'racers' });
    for (const member of [ann, ...team]) {
      if (member !== ann) await addMember(server, orgId, member);
      await ann.post(`/api/v1/teams/${made.id}/members`, { user_id: member.userId });
    }
    const id = await handedOff(ann, { recipient_team_id: made.id });
    const answers = await whileHeld(id, () => team.map((member) => member.post(at(id, '/claim'))));
    const winners = answers.filter(({ status }) => status === 200);
    expect(winners).toHaveLength(1);
    const winner = team[answers.indexOf(winners[0]!)]!;
    for (const { status, body } of answers.filter((answer) => answer !== winners[0])) {
      expect({ status, details: body.error.details }).toEqual({
        status: 409,
        details: {
          ...{ error: 'claim_race_lost', current_status: 'claimed' },
          ...{ winner_user_id: winner.userId, winner_email: winner.email },
        },
      });
    }
    const own = await Promise.all(team.map(async (member) => (await member.get('/api/v1/sessions')).body.total));
    expect(own.reduce((sum, total) => sum + total, 0)).toBe(1);
    expect(await eventsOf(ann, id)).toEqual(['created', 'claimed']);
  });

  /** Lets the requests begin while somebody holds the handoff's row, and go on once several of them wait for it. */
  async function whileHeld(id: string, start: () => Promise<Answer>[]): Promise<Answer[]> {
    const holder = new pg.Client({ connectionString: server.databaseUrl });
    await holder.connect();
    await holder.query('begin');
    await holder.query('select from handoff where id = $1 for update', [id]);
    const started = start();
    await eventually(async () => {
      // Else a transaction goes on seeing the activity it saw first.
      await holder.query('select pg_stat_clear_snapshot()');
      const { rows } = await holder.query<{ n: number }>(
        `select count(*)::int as n from pg_locks l join pg_stat_activity a using (pid)
          where not l.granted and a.datname = current_database() and a.query like 'update handoff%'`,
      );
      return rows[0]!.n > 1;
    });
    await holder.query('rollback');
    await holder.end();
    return Promise.all(started);
  }

  it('against a revocation and a decline leave one decision', async () => {
    for (let i = 0; i < 5; i += 1) {
      const id = await toBo();
      const answers = await Promise.all([
        bo.post(at(id, '/claim')),
        ann.post(at(id, '/revoke'), { reason: 'x' }),
        bo.post(at(id, '/decline'), {}),
      ]);
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409]);
      expect((await eventsOf(ann, id)).slice(1)).toHaveLength(1);
    }
  });

  it('of one client with one Idempotency-Key are one claim, also when the server dies before it answers', async () => {
    const id = await toBo();
    const dying = await startServerProcess({
      ...{
        DATABASE_URL: server.databaseUrl,
        DATA_DIR: server.dataDir,
        FAULT_POINT: 'handoff.claimed',
        LOG_LEVEL: 'error',
      },
    });
    const once = { 'idempotency-key': `claim-${id}` };
    await expect(new Client(dying.url, bo.key).post(at(id, '/claim'), undefined, once)).rejects.toThrow();
    expect(dying.output()).toContain('fault point handoff.claimed reached');
    const again = await bo.post(at(id, '/claim'), undefined, once);
    expect(again).toMatchObject({ status: 200, body: { id, status: 'claimed' } });
    expect((await bo.get(`/api/v1/sessions/${again.body.recipient_session_id}`)).status).toBe(200);
    expect((await bo.get(at(id))).body.recipient_session_id).toBe(again.body.recipient_session_id);
    expect(await eventsOf(ann, id)).toEqual(['created', 'claimed', 'viewed']);
    expect((await bo.post(at(id, '/claim'))).body.error.message).toBe('Handoff already claimed');
  });
});
