import { PeriodicTasks } from '../../libs/platform/src/index.js';
import { ProvenanceLookup } from '../../libs/sessions/src/handoffs/provenance-lookup.js';
import { newSessionId, pushSession, sessionArchive } from '../support/captured-sessions.js';
import { Client } from '../support/client.js';
import { moveClock } from '../support/clock.js';
import { at, eventsOf, handedOff, handOff, ownSession, type Person, person } from '../support/handoffs.js';
import { actingFor, type OrgRow, seedMember, seedOrg } from '../support/org-rows.js';
import { type ReceivedMail, type SmtpPeer, startSmtpPeer } from '../support/peers/smtp.js';
import { eventually, sql } from '../support/pinned-sessions.js';
import { type ServiceKey, serviceKey } from '../support/service-keys.js';
import { startTestServer, type TestServer } from '../support/server.js';

let peer: SmtpPeer;
let server: TestServer;
let ann: Person;
let bo: Person;
let nobody: Client;

beforeAll(async () => {
  peer = await startSmtpPeer();
  const mail = { SMTP_URL: `smtp://127.0.0.1:${peer.port}`, PUBLIC_URL: 'https://code.example.org' };
  server = await startTestServer(mail);
  [ann, bo] = [await person(server, 'ann'), await person(server, 'bo')];
  nobody = new Client(server.url, null);
});

afterAll(async () => {
  await server.close();
  await peer.close();
});

const toBo = (): Promise<string> => handedOff(ann, { recipient_email: bo.email });

/** The mail to that address about the handoff. */
const mailAbout = (id: string, to: string, subject: RegExp): Promise<ReceivedMail> =>
  eventually(() =>
    Promise.resolve(peer.mailTo(to).find((mail) => subject.test(mail.subject!) && mail.text!.includes(id))),
  );

describe('the mails of a handoff', () => {
  it('tell the recipient what was handed over and how to take it, whatever the texts hold', async () => {
    const session = await ownSession(ann, { title: 'Teach <b>tabs</b> to the parser & friends' });
    const { body } = await handOff(ann, session, {
      recipient_email: bo.email,
      message: '<script>finish</script>\nplease',
    });
    const mail = await mailAbout(body.id, bo.email, /handed off/);
    expect(mail.subject).toBe(`${ann.email} handed off: Teach <b>tabs</b> to the parser & friends`);
    expect(mail.text).toContain(`sfs pull-handoff ${body.id}`);
    expect(mail.text).toContain('> <script>finish</script>\n> please');
    expect(mail.html).toContain('&lt;script&gt;finish');
    expect(mail.html).toContain('Teach &lt;b&gt;tabs');
    expect(mail.html).not.toContain('<script>');
  });

  it('tell the other party of a claim, a revocation, a decline and a comment', async () => {
    const [claimed, revoked, declined] = [await toBo(), await toBo(), await toBo()];
    await bo.post(at(claimed, '/claim'));
    await ann.post(at(revoked, '/revoke'), { reason: 'wrong person' });
    await bo.post(at(declined, '/decline'), { reason: 'no time' });
    await bo.post(at(claimed, '/comments'), { content: 'if (a < b)' });
    await ann.post(at(claimed, '/comments'), { content: 'thank you' });
    await mailAbout(claimed, ann.email, /^bo-\S+ claimed your handoff: /);
    expect((await mailAbout(revoked, bo.email, /revoked a handoff to you/)).text).toContain('> wrong person');
    expect((await mailAbout(declined, ann.email, /declined your handoff/)).text).toContain('> no time');
    expect((await mailAbout(claimed, ann.email, /commented on a handoff/)).html).toContain('if (a &lt; b)');
    expect((await mailAbout(claimed, bo.email, /commented on a handoff/)).text).toContain('> thank you');
  });

  it('are not sent for what did not happen, nor to people named by their id', async () => {
    const id = await handedOff(ann, { recipient_user_id: bo.userId });
    await bo.post(at(id, '/decline'), {});
    await bo.post(at(id, '/claim'));
    await ann.post(at(id, '/comments'), { content: 'still' });
    await mailAbout(id, ann.email, /declined/);
    // What was sent is forgotten once the server has heard that it was taken.
    const unsent = () => sql(server, `select template from mail where facts::text like $1`, [`%${id}%`]);
    await eventually(async () => (await unsent()).length === 0);
    expect(peer.mails.filter(({ text }) => text!.includes(id)).map(({ recipients }) => recipients)).toEqual([
      [ann.email],
    ]);
  });

  it('end when there are too many to one address; handing off goes on', async () => {
    const cy = await person(server, 'cy');
    const session = await ownSession(ann);
    for (let i = 0; i < 32; i += 1) {
      expect((await handOff(ann, session, { recipient_email: cy.email })).status).toBe(201);
    }
    const [row] = await sql<{ n: number }>(
      server,
      'select count(*)::int as n from mail where recipient = $1 and template = $2',
      [cy.email, 'handoff'],
    );
    expect(row!.n).toBe(30);
    expect((await cy.get('/api/v1/handoffs/inbox')).body.total).toBe(32);
  });
});

describe('the summary of a handoff', () => {
  const KEY = `sk-${'ant-api03-'}${'a1B2'.repeat(10)}`;
  const toolCall = (name: string, input: object, content: string, exit_code = 0): object[] => [
    { msg_id: 'u', role: 'assistant', content: [{ type: 'tool_use', tool_use_id: name, name, input }] },
    { msg_id: 'r', role: 'tool', content: [{ type: 'tool_result', tool_use_id: name, content, exit_code }] },
  ];

  /** A handoff of a session in which something was done. */
  async function telling(title: string): Promise<string> {
    const id = newSessionId();
    const archive = await sessionArchive({ title }, [
      ...toolCall('Write', { file_path: '/srv/lex/tabs.py', content: 'x' }, 'ok'),
      ...toolCall('Bash', { command: 'pytest -q tests/tabs' }, '2 passed, 1 failed', 1),
      { msg_id: 'd', role: 'assistant', content: [{ type: 'text', text: `One fails; the key is ${KEY}` }] },
    ]);
    expect((await pushSession(ann, id, archive)).status).toBe(201);
    return (await handOff(ann, id, { recipient_email: bo.email })).body.id as string;
  }

  it('is a title without secrets and counts for who names its id, and more for its parties', async () => {
    const id = await telling('Teach the parser about tabs');
    const seen = { title: 'Teach the parser about tabs', message_count: 0, total_tokens: 0 };
    expect(await nobody.get(at(id, '/summary'))).toMatchObject({ status: 200, body: seen });
    expect(Object.keys((await nobody.get(at(id, '/summary'))).body)).toEqual(Object.keys(seen));
    for (const party of [ann, bo]) {
      expect(await party.get(at(id, '/summary'))).toMatchObject({
        status: 200,
        body: {
          ...{ title: seen.title, tool: 'codex', model: null, message_count: 5, commands_executed: 1 },
          ...{ files_modified: ['/srv/lex/tabs.py'], tests_run: 3, tests_passed: 2, tests_failed: 1 },
          ...{ last_assistant_messages: ['One fails; the key is [REDACTED:anthropic_api_key]'] },
        },
      });
    }
  });

  it('hides secrets that an owner put into a title', async () => {
    const session = await ownSession(ann);
    await ann.patch(`/api/v1/sessions/${session}`, { title: `with ${KEY}` });
    const { body } = await handOff(ann, session, { recipient_email: bo.email });
    expect((await nobody.get(at(body.id, '/summary'))).body.title).toBe('with [redacted]');
  });

  it('tells strangers nothing once the handoff is decided, over or not theirs', async () => {
    const [claimed, revoked, declined] = [await toBo(), await toBo(), await toBo()];
    await bo.post(at(claimed, '/claim'));
    await ann.post(at(revoked, '/revoke'), { reason: 'x' });
    await bo.post(at(declined, '/decline'), {});
    const statusOf = async (client: Client, id: string) => (await client.get(at(id, '/summary'))).status;
    for (const id of [claimed, revoked, declined]) expect(await statusOf(nobody, id)).toBe(410);
    expect([await statusOf(bo, claimed), await statusOf(bo, revoked), await statusOf(bo, declined)]).toEqual([
      410, 410, 200,
    ]);
    expect([await statusOf(ann, claimed), await statusOf(ann, revoked)]).toEqual([410, 200]);
    const eve = await person(server, 'eve');
    for (const id of [await toBo(), claimed, 'hnd_0000000000000000000000', 'x'])
      expect(await statusOf(eve, id)).toBe(404);
    for (const id of ['hnd_0000000000000000000000', 'x'.repeat(9_000)]) expect(await statusOf(nobody, id)).toBe(404);
    expect(await statusOf(new Client(server.url, 'rhu_wrong'), claimed)).toBe(401);
  });
});

describe('a service key', () => {
  let org: OrgRow;
  let key: ServiceKey;

  beforeAll(async () => {
    org = await seedOrg(server, ann);
    await seedMember(server, org, bo);
    key = await serviceKey(ann, org, ['handoffs:write']);
  });

  const orgSession = (): Promise<string> => ownSession(actingFor(ann, org));
  const toBoOf = async (session: string) => handOff(actingFor(ann, org), session, { recipient_user_id: bo.userId });

  it('acts on no handoff whose session belongs to no project', async () => {
    const session = await orgSession();
    const { body } = await toBoOf(session);
    const answers = [
      handOff(key, session, { recipient_email: bo.email }),
      key.get(at(body.id)),
      key.get(at(body.id, '/events')),
      key.post(at(body.id, '/revoke'), { reason: 'x' }),
      key.post(at(body.id, '/comments'), { content: 'x' }),
    ];
    for (const { status, body: denied } of await Promise.all(answers)) {
      expect([status, denied.error.details.error]).toEqual([403, 'service_key_project_not_registered']);
    }
    await sql(server, 'delete from captured_session where id = $1', [session]);
    const orphaned = await key.post(at(body.id, '/revoke'), { reason: 'x' });
    expect([orphaned.status, orphaned.body.error.details.error]).toEqual([403, 'service_key_project_required']);
    expect((await key.get('/api/v1/handoffs/sent')).body.total).toBe(0);
    expect(await eventsOf(actingFor(ann, org), body.id)).toEqual(['created']);
  });

  it('is told nothing of handoffs that are not its minter’s', async () => {
    const id = await handedOff(bo, { recipient_email: 'x@ex.com' });
    for (const answer of [await key.get(at(id)), await key.post(at(id, '/revoke'), { reason: 'x' })]) {
      expect(answer.status).toBe(404);
    }
  });

  describe('when projects tell whose work a session is', () => {
    let project: { id: string; orgId: string | null };
    const lookup = (): ProvenanceLookup => server.app.get(ProvenanceLookup);

    beforeAll(() => {
      project = { id: 'proj_0123456789abcdef', orgId: org.id };
      lookup().projectOf = () => Promise.resolve(project);
      lookup().projectsReachedBy = (caller) => Promise.resolve(caller.projectIds ?? [project.id]);
    });

    it('acts within its organization and its projects, and the history names it', async () => {
      const session = await orgSession();
      const { status, body } = await handOff(key, session, { recipient_user_id: bo.userId });
      expect([status, body.sender_email]).toEqual([201, ann.email]);
      expect((await key.get('/api/v1/handoffs/sent')).body).toMatchObject({ total: 1, handoffs: [{ id: body.id }] });
      expect((await key.post(at(body.id, '/revoke'), { reason: 'x' })).status).toBe(200);
      const rows = await sql(
        server,
        `select actor_type, service_key_id, service_key_name, actor_user_id from handoff_event where handoff_id = $1`,
        [body.id],
      );
      const by = {
        actor_type: 'service_key',
        service_key_id: key.id,
        service_key_name: key.name,
        actor_user_id: ann.userId,
      };
      expect(rows).toEqual([by, by]);
    });

    it('is stopped at other organizations and other projects before anything is written', async () => {
      const session = await orgSession();
      const narrow = await serviceKey(ann, org, ['handoffs:write'], { project_ids: ['proj_fedcba9876543210'] });
      const outside = await handOff(narrow, session, { recipient_user_id: bo.userId });
      expect([outside.status, outside.body.error.details.error]).toEqual([403, 'project_not_in_allowlist']);
      expect((await narrow.get('/api/v1/handoffs/sent')).body.total).toBe(0);
      project = { id: 'proj_0123456789abcdef', orgId: null };
      const foreign = await handOff(key, session, { recipient_user_id: bo.userId });
      expect([foreign.status, foreign.body.error.details.error]).toEqual([403, 'cross_org_denied']);
      expect(await sql(server, 'select from handoff where session_id = $1', [session])).toEqual([]);
    });
  });
});

describe('the task that ends handoffs', () => {
  it('stores each of them once, with its event, however many nodes do it', async () => {
    const [due, decided] = [await toBo(), await toBo()];
    await bo.post(at(decided, '/decline'), {});
    moveClock([server], 169 * 3_600_000);
    const tasks = server.app.get(PeriodicTasks);
    await Promise.all([tasks.runNow('handoffs.expire'), tasks.runNow('handoffs.expire')]);
    const [row] = await sql<{ status: string }>(server, 'select status from handoff where id = $1', [due]);
    expect(row!.status).toBe('expired');
    expect(await eventsOf(ann, due)).toEqual(['created', 'expired']);
    expect(await eventsOf(ann, decided)).toEqual(['created', 'declined']);
    expect((await nobody.get(at(due, '/summary'))).status).toBe(410);
  });
});
