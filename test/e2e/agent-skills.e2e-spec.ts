import { existsSync, mkdirSync, readdirSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { PeriodicTasks } from '../../libs/platform/src/index.js';
import { type Answer, type Client, signUp, type TestAccount } from '../support/client.js';
import { LlmPeer } from '../support/peers/llm.js';
import { eventually, mintKey, sql } from '../support/pinned-sessions.js';
import { startCheckout } from '../support/checkouts.js';
import { onAbleMachines } from '../support/sandboxes.js';
import { startTestServer, type TestServer } from '../support/server.js';
import { answerIn, sendChat, userSays } from '../support/ui-stream.js';
import { zip, type ZipEntry } from '../support/zip.js';

let peer: LlmPeer;
let server: TestServer;
let alice: TestAccount;
let bob: TestAccount;
/** Has as many skills as there may be. */
let carol: TestAccount;

beforeAll(async () => {
  peer = await LlmPeer.start();
  server = await startTestServer({ LLM_BASE_URL: peer.baseUrl, LLM_API_KEY: peer.key, LLM_MODEL: 'test-model' });
  [alice, bob, carol] = await Promise.all([signUp(server), signUp(server), signUp(server)]);
});

afterAll(async () => {
  await server.close();
  await peer.stop();
});

const note = (text: string, description = 'Says hello'): ZipEntry => ({
  name: 'SKILL.md',
  content: `---\nname: other\ndescription: ${description}\n---\n${text}`,
});

/** The text of SKILL.md twice: what is half one version and half another shows. */
const skill = (text: string, ...more: ZipEntry[]): Buffer =>
  zip([note(text), { name: 'scripts/say.sh', content: `#!/bin/sh\necho ${text}\n`, mode: 0o100755 }, ...more]);

async function upload(
  name: string,
  body: Buffer | string | FormData,
  client: Client = alice,
  headers: Record<string, string> = { 'content-type': 'application/zip' },
): Promise<Answer> {
  const response = await fetch(`${server.url}/v1/skills/${name}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${client.key}`, ...headers },
    body: Buffer.isBuffer(body) ? new Uint8Array(body) : body,
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? '' : JSON.parse(text) };
}

async function session(client: Client = alice, body = {}): Promise<string> {
  return ((await client.post('/v1/sessions', { persistent: true, ...body })).body as { id: string }).id;
}

interface Ran {
  readonly stdout: string;
  readonly exit: { readonly code: number };
}

async function shell(id: string, script: string, client: Client = alice): Promise<Ran> {
  const { body } = await client.post(
    `/v1/sessions/${id}/exec`,
    { argv: ['sh', '-c', script] },
    { accept: 'application/json' },
  );
  return body as never;
}

const names = async (client: Client = alice): Promise<string[]> =>
  ((await client.get('/v1/skills')).body as { name: string }[]).map(({ name }) => name);

/** The folder of an account's own directories; null before it has a skill. */
async function ownFolder(client: TestAccount): Promise<string> {
  const [row] = await sql<{ id: string }>(server, 'select account_id as id from api_key where id = $1', [client.keyId]);
  return join(server.dataDir, 'workspaces', row!.id, '.sessions');
}

const versions = async (): Promise<string[]> => readdirSync(join(await ownFolder(alice), '.skills'));

describe('an upload', () => {
  it('is a zip archive, as the body or in a form, and answers what is in it', async () => {
    const wrapped = zip([
      { name: 'greet/' },
      { ...note('hi'), name: 'greet/SKILL.md' },
      { name: 'greet/x', content: '12' },
    ]);
    const bytes = Buffer.from(note('hi').content!).length;
    const facts = { name: 'greet', files: 2, total_bytes: bytes + 2, skill_md_size: bytes };
    expect(await upload('greet', wrapped)).toMatchObject({ status: 201 });
    expect((await upload('greet', wrapped)).body).toEqual(facts);
    const form = new FormData();
    form.set('file', new Blob([new Uint8Array(wrapped)]), 'greet.zip');
    expect(await upload('in-form', form, alice, {})).toMatchObject({
      status: 201,
      body: { ...facts, name: 'in-form' },
    });
    const record = {
      ...facts,
      description: 'Says hello',
      created_at: expect.any(Number) as number,
      updated_at: expect.any(Number) as number,
    };
    expect((await alice.get('/v1/skills/greet')).body).toEqual(record);
    expect((await alice.get('/v1/skills')).body).toEqual([record, { ...record, name: 'in-form' }]);
  });

  it('of the same archive changes nothing; of another one replaces', async () => {
    await upload('same', skill('one'));
    const before = (await alice.get('/v1/skills/same')).body as Record<string, number>;
    await upload('same', skill('one'));
    expect((await alice.get('/v1/skills/same')).body).toEqual(before);
    await upload('same', skill('other one'));
    const after = (await alice.get('/v1/skills/same')).body as Record<string, number>;
    expect(after).toMatchObject({ created_at: before['created_at'] });
    expect(after['total_bytes']).not.toBe(before['total_bytes']);
    const events = await sql<{ type: string }>(
      server,
      `select type from event where subject_kind = 'skill' and subject_id = 'same' order by id`,
    );
    expect(events.map(({ type }) => type)).toEqual(['skill.uploaded', 'skill.uploaded']);
  });

  it.each<[string, string]>([
    ['upper case', 'Greet'],
    ['a leading dash', '-greet'],
    ['a leading underscore', '_greet'],
    ['a dot', 'a.b'],
    ['65 characters', 'a'.repeat(65)],
    ['the reserved prefix', 'custom-greet'],
    ['a space', 'a%20b'],
    ['an escaped way out', '..%2f..%2fetc'],
    ['10 KB', 'a'.repeat(10_000)],
  ])('under a name with %s is refused', async (_name, name) => {
    expect(await upload(name, skill('x'))).toMatchObject({
      status: 400,
      body: { error: 'invalid_input', field: 'name', message: expect.stringContaining('name must') as string },
    });
    expect((await alice.get(`/v1/skills/${name}`)).status).toBe(404);
    expect((await alice.delete(`/v1/skills/${name}`)).status).toBe(404);
  });

  it('may have the longest and the shortest name', async () => {
    for (const name of ['a', '0_-z', `9${'a'.repeat(63)}`, 'customs']) {
      expect((await upload(name, skill('x'))).status).toBe(201);
      expect((await alice.delete(`/v1/skills/${name}`)).status).toBe(204);
      expect((await alice.delete(`/v1/skills/${name}`)).status).toBe(404);
    }
  });

  it.each<[string, number, string, () => Buffer]>([
    ['is no zip', 400, 'invalid_archive', () => Buffer.from('not a zip at all, although long enough to be one')],
    ['is empty', 400, 'invalid_archive', () => Buffer.alloc(0)],
    ['leads out', 400, 'invalid_archive', () => skill('x', { name: 'a/../../../x' })],
    ['names absolutely', 400, 'invalid_archive', () => skill('x', { name: '/tmp/x' })],
    ['holds a link', 400, 'invalid_archive', () => skill('x', { name: 'l', content: '/etc', mode: 0o120777 })],
    ['is encrypted', 400, 'invalid_archive', () => skill('x', { name: 'l', isEncrypted: true })],
    ['has no SKILL.md', 400, 'invalid_archive', () => zip([{ name: 'README.md' }])],
    [
      'grows beyond what it says',
      400,
      'invalid_archive',
      () => skill('x', { name: 'bomb', content: Buffer.alloc(26_214_401), declaredBytes: 5 }),
    ],
    [
      'has a file over 25 MiB',
      413,
      'skill_too_large',
      () => skill('x', { name: 'big', content: Buffer.alloc(26_214_401) }),
    ],
    [
      'has over 1,000 entries',
      413,
      'skill_too_large',
      () => skill('x', ...Array.from({ length: 999 }, (_, n) => ({ name: `${n}` }))),
    ],
    ['is over the size itself', 413, 'skill_too_large', () => Buffer.alloc(57_000_000)],
  ])('that %s is refused and leaves nothing', async (_name, status, error, archive) => {
    await upload('kept', skill('kept'));
    const before = (await alice.get('/v1/skills/kept')).body as object;
    expect(await upload('kept', archive())).toMatchObject({
      status,
      body: { error, message: expect.any(String) as string },
    });
    expect((await alice.get('/v1/skills/kept')).body).toEqual(before);
    expect(readdirSync(join(await ownFolder(alice), '.staging'))).toEqual([]);
  });

  it('that is cut off leaves nothing', async () => {
    const archive = skill('x', { name: 'y', content: Buffer.alloc(100_000, 'y'), isStored: true });
    const cut = new ReadableStream({
      start(controller) {
        controller.enqueue(new Uint8Array(archive.subarray(0, 5_000)));
        setTimeout(() => controller.error(new Error('gone')), 100);
      },
    });
    const init = { method: 'POST', headers: { authorization: `Bearer ${alice.key}` }, body: cut, duplex: 'half' };
    await expect(fetch(`${server.url}/v1/skills/cut-off`, init as never)).rejects.toThrow();
    const staging = join(await ownFolder(alice), '.staging');
    await eventually(() => Promise.resolve(readdirSync(staging).length === 0));
    expect((await alice.get('/v1/skills/cut-off')).status).toBe(404);
  });
});

describe('skills of an account', () => {
  it("are nobody else's", async () => {
    await upload('mine', skill('of alice'));
    expect(await names(bob)).toEqual([]);
    expect((await bob.get('/v1/skills/mine')).status).toBe(404);
    expect((await bob.delete('/v1/skills/mine')).status).toBe(404);
    await upload('mine', skill('of bob, longer'), bob);
    expect(await names(bob)).toEqual(['mine']);
    const read = async (client: Client): Promise<number> =>
      ((await client.get('/v1/skills/mine')).body as { total_bytes: number }).total_bytes;
    expect(await read(bob)).toBeGreaterThan(await read(alice));
    await bob.delete('/v1/skills/mine');
    expect(await names()).toContain('mine');
  });

  it('need the scopes of sandboxes', async () => {
    const reader = await mintKey(alice, { scopes: ['sandboxes:read'] });
    expect((await reader.get('/v1/skills')).status).toBe(200);
    expect((await upload('not-allowed', skill('x'), reader)).status).toBe(403);
    expect((await reader.delete('/v1/skills/mine')).status).toBe(403);
    const stranger = await mintKey(alice, { scopes: ['repos:read'] });
    expect((await stranger.get('/v1/skills')).status).toBe(403);
    expect((await fetch(`${server.url}/v1/skills`)).status).toBe(401);
  });

  it('are at most 50, counted when many come at once', async () => {
    const answers = await Promise.all(Array.from({ length: 52 }, (_, n) => upload(`s${n}`, skill(`${n}`), carol)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(50);
    const refused = answers.find(({ status }) => status !== 201)!;
    expect(refused).toMatchObject({ status: 409, body: { error: 'skills.limit', limit: 50 } });
    const have = await names(carol);
    expect(have).toHaveLength(50);
    expect((await upload(have[0]!, skill('replaced'), carol)).status).toBe(201);
    expect(readdirSync(join(await ownFolder(carol), '.staging'))).toEqual([]);
  });
});

onAbleMachines('a session', () => {
  it('finds its skills where it can read and run them, and write nothing', async () => {
    await upload('greet', skill('hello', { name: 'data/', mode: 0o040755 }));
    const id = await session(alice, { file_access: { read: [], write: [] } });
    const place = '/opt/sandbox/skills/greet';
    const { stdout, exit } = await shell(id, `tail -n 1 ${place}/SKILL.md && ${place}/scripts/say.sh`);
    expect({ stdout, code: exit.code }).toEqual({ stdout: 'hellohello\n', code: 0 });
    for (const change of ['echo x > SKILL.md', 'echo x > new', 'rm -rf data', 'mv data d', 'chmod 777 SKILL.md']) {
      const tried = await shell(id, `cd ${place} && ${change}`);
      expect({ change, code: tried.exit.code }).not.toEqual({ change, code: 0 });
    }
    expect((await shell(id, `echo x > ${place}/../new`)).exit.code).not.toBe(0);
    expect((await shell(id, `cat ${place}/SKILL.md | tail -n 1; ls -A /opt/sandbox/workspace`)).stdout).toBe(
      'hello.sessions\n',
    );
  });

  it('keeps what it was made with when skills are replaced, deleted and added; new ones see the new', async () => {
    await upload('lasting', skill('first'));
    const old = await session();
    const say = (id: string): Promise<{ stdout: string }> =>
      shell(id, 'cd /opt/sandbox/skills && cat lasting/scripts/say.sh | tail -n 1; ls | grep -c later');
    await upload('lasting', skill('second'));
    await upload('later', skill('later'));
    const newer = await session();
    expect((await say(old)).stdout).toBe('echo first\n0\n');
    expect((await say(newer)).stdout).toBe('echo second\n1\n');
    await alice.delete('/v1/skills/lasting');
    await server.app.get(PeriodicTasks).runNow('skills.sweep');
    expect((await say(old)).stdout).toBe('echo first\n0\n');
    expect((await say(newer)).stdout).toBe('echo second\n1\n');
    expect((await shell(await session(), 'ls /opt/sandbox/skills/lasting')).exit.code).not.toBe(0);
    await alice.delete(`/v1/sessions/${old}`);
    await alice.delete(`/v1/sessions/${newer}`);
  });

  it('sees one version or the other, whole, while skills are replaced all the time', async () => {
    const texts = ['aaaa', 'bbbbbbbb'];
    await upload('moving', skill(texts[0]!));
    let isOver = false;
    const replacing = (async () => {
      for (let turn = 1; !isOver; turn += 1) expect((await upload('moving', skill(texts[turn % 2]!))).status).toBe(201);
    })();
    const seen = new Set<string>();
    for (let round = 0; round < 12; round += 1) {
      const [{ body: listed }, id] = await Promise.all([alice.get('/v1/skills/moving'), session()]);
      expect(listed).toMatchObject({ files: 2 });
      const { stdout } = await shell(
        id,
        'cd /opt/sandbox/skills/moving && tail -n 1 SKILL.md && echo && ./scripts/say.sh',
      );
      const [note, said] = stdout.trim().split('\n');
      expect(said).toBe(note);
      expect(texts).toContain(said);
      seen.add(said!);
      await alice.delete(`/v1/sessions/${id}`);
    }
    isOver = true;
    await replacing;
    expect(seen.size).toBeGreaterThan(0);
  });

  it("shows nothing of other accounts' skills, nor of where they lie", async () => {
    const { stdout } = await shell(
      await session(),
      'ls -A /opt/sandbox /opt/sandbox/workspace/.sessions; ls /opt/sandbox/skills',
    );
    expect(stdout).not.toContain('.skills');
    expect(stdout).not.toContain('skv_');
    expect((await shell(await session(bob), 'ls /opt/sandbox/skills', bob)).exit.code).not.toBe(0);
  });

  it('may have as many skills as there can be', async () => {
    const { stdout } = await shell(
      await session(carol),
      'cat /opt/sandbox/skills/*/SKILL.md | grep -c description',
      carol,
    );
    expect(stdout).toBe('50\n');
  });
});

onAbleMachines('a session of the sandbox surface', () => {
  it('has them too: it names them, finds them, and its agent is told', async () => {
    const dave = await signUp(server);
    await upload('greet', zip([note('hello', 'Use it for greeting')]), dave);
    const { id, run } = await startCheckout(server, dave);
    const refs = [{ source: 'account', skillName: 'greet' }];
    expect((await dave.get(`/api/sessions/${id}`)).body).toMatchObject({ session: { globalSkillRefs: refs } });
    await upload('later', skill('later'), dave);
    await dave.delete('/v1/skills/greet');
    const seen = await run('cd /opt/sandbox/skills && tail -n 1 */SKILL.md && ls && (touch greet/x || echo no)');
    expect(seen).toBe('hellogreet\nno\n');
    const skills = [{ name: 'greet', description: 'Use it for greeting' }];
    expect((await dave.get(`/api/sessions/${id}/skills`)).body).toEqual({ skills });
    const { chats } = (await dave.get(`/api/sessions/${id}/chats`)).body as { chats: { id: string }[] };
    const before = peer.calls.length;
    await answerIn(await sendChat(dave, { session: id, id: chats[0]!.id }, [userSays('Hello')]));
    expect(JSON.stringify(peer.calls[before]!.messages[0])).toContain('- greet: Use it for greeting');
    expect((await dave.post('/api/sessions')).body).toMatchObject({
      session: { globalSkillRefs: [{ source: 'account', skillName: 'later' }] },
    });
  });
});

describe('the agent of a session', () => {
  it('is told of the skills that the session was made with', async () => {
    await upload('told', zip([note('x', 'Use it for telling')]));
    const id = await session();
    await alice.delete('/v1/skills/told');
    const before = peer.calls.length;
    await alice.post(`/v1/sessions/${id}/messages`, { message: 'Hello' });
    const system = JSON.stringify(peer.calls[before]!.messages[0]);
    expect(system).toContain('- told: Use it for telling');
    expect(system).toContain('/opt/sandbox/skills/<name>');
  });
});

describe('what nothing refers to', () => {
  it('goes: versions when their last session has ended, at once when there is none', async () => {
    await upload('ending', skill('one'));
    const [row] = await sql<{ id: string }>(server, `select version_id as id from skill where name = 'ending'`);
    const id = await session();
    await alice.delete('/v1/skills/ending');
    await server.app.get(PeriodicTasks).runNow('skills.sweep');
    expect(await versions()).toContain(row!.id);
    await alice.delete(`/v1/sessions/${id}`);
    await eventually(async () => {
      await server.app.get(PeriodicTasks).runNow('skills.sweep');
      return !(await versions()).includes(row!.id);
    });
    await upload('unused', skill('two'));
    const [unused] = await sql<{ id: string }>(server, `select version_id as id from skill where name = 'unused'`);
    await alice.delete('/v1/skills/unused');
    await eventually(async () => !(await versions()).includes(unused!.id));
  });

  it('goes when a crash left it, once it is old: half an upload, a version without its row', async () => {
    const own = await ownFolder(alice);
    const old = new Date(Date.now() - 25 * 3_600_000);
    const places = [
      `.skills/skv_${'a'.repeat(32)}`,
      `.skills/skv_${'b'.repeat(32)}`,
      `.staging/skill.${'0'.repeat(16)}`,
    ];
    for (const place of places) mkdirSync(join(own, place, 'content'), { recursive: true });
    for (const place of [places[0]!, places[2]!]) utimesSync(join(own, place), old, old);
    await upload('staying', skill('x'));
    const kept = await versions();
    for (const name of kept) if (!name.includes('b'.repeat(32))) utimesSync(join(own, '.skills', name), old, old);
    await server.app.get(PeriodicTasks).runNow('skills.sweep');
    await server.app.get(PeriodicTasks).runNow('sandboxes.sweep');
    expect(places.map((place) => existsSync(join(own, place)))).toEqual([false, true, false]);
    expect((await versions()).length).toBe(kept.length - 1);
  });
});
