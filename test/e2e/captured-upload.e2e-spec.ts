import { createHash } from 'node:crypto';
import { admin, type Answer, type Client, signUp, type TestAccount } from '../support/client.js';
import { newSessionId, pushSession, sendFile, sessionArchive, userSays } from '../support/captured-sessions.js';
import { type SmtpPeer, startSmtpPeer } from '../support/peers/smtp.js';
import { head, rawRequest } from '../support/raw-http.js';
import { startTestServer, type TestServer } from '../support/server.js';

let mails: SmtpPeer;
let server: TestServer;
let ann: TestAccount;

beforeAll(async () => {
  mails = await startSmtpPeer();
  server = await startTestServer({ SMTP_URL: `smtp://127.0.0.1:${mails.port}` });
  ann = await signUp(server);
  await (await admin(server)).put(`/api/v1/admin/users/${ann.userId}/verify`);
});

afterAll(async () => {
  await server.close();
  await mails.close();
});

function upload(client: Client, archive: Buffer, query: Record<string, string> = {}): Promise<Answer> {
  return sendFile(
    client,
    'POST',
    `/api/v1/sessions?${new URLSearchParams({ source_tool: 'cursor', ...query }).toString()}`,
    archive,
  );
}

describe('an upload', () => {
  it('makes a session under an id of the server, which what is said of it names better than its manifest', async () => {
    const archive = await sessionArchive({ title: 'From the manifest', tags: ['a'] }, [userSays('hello')]);
    const { status, body } = await upload(ann, archive, { title: '<i>Given</i> title', tags: '["x","y"]' });
    expect({ status, body }).toEqual({
      status: 201,
      body: {
        session_id: expect.stringMatching(/^ses_[0-9a-f]{16}$/),
        etag: createHash('sha256').update(archive).digest('hex'),
        blob_size_bytes: archive.length,
        uploaded_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      },
    });
    const path = `/api/v1/sessions/${body.session_id}`;
    expect((await ann.get(path)).body).toMatchObject({
      title: 'Given title',
      tags: ['x', 'y'],
      source_tool: 'cursor',
      etag: body.etag,
    });
    await pushSession(ann, body.session_id, await sessionArchive({ title: 'Pushed', tags: ['z'] }, [userSays('more')]));
    expect((await ann.get(path)).body).toMatchObject({ title: 'Given title', tags: ['x', 'y'] });
  });

  it('takes title and tags from the manifest when none are given', async () => {
    const archive = await sessionArchive({ title: 'Tabs break the parser', tags: ['a'] }, [userSays('hello')]);
    const first = await upload(ann, archive, { title: '', tags: '[]' });
    const second = await upload(ann, archive);
    expect(second.body.session_id).not.toBe(first.body.session_id);
    for (const { body } of [first, second]) {
      const found = (await ann.get(`/api/v1/sessions/${body.session_id}`)).body;
      expect(found).toMatchObject({ title: 'Tabs break the parser', tags: ['a'], source_tool: 'cursor' });
    }
  });

  it.each([
    [422, { source_tool: 'Not A Tool' }, /source_tool/],
    [422, { source_tool: '' }, /source_tool/],
    [422, { title: 't'.repeat(501) }, /title/],
    [400, { title: 'a\0b' }, /^Null bytes not allowed in input$/],
    [400, { tags: '[broken' }, /^tags must be a valid JSON array of strings$/],
    [400, { tags: '{"a":1}' }, /^tags must be a JSON array of strings$/],
    [400, { tags: '[1]' }, /^tags must be a JSON array of strings$/],
    [400, { tags: JSON.stringify(Array(21).fill('t')) }, /^Maximum 20 tags allowed$/],
    [400, { tags: JSON.stringify(['t'.repeat(51)]) }, /^Each tag must be 50 characters or fewer$/],
    [400, { tags: '["a\\u0000"]' }, /^Null bytes not allowed in input$/],
  ])('is refused with %i for %j', async (status, query, message) => {
    const before = (await ann.get('/api/v1/sessions')).body.total;
    const answer = await upload(ann, await sessionArchive({}, []), query);
    expect(answer.status).toBe(status);
    expect(`${answer.body.error.message} ${JSON.stringify(answer.body.error.details)}`).toMatch(
      new RegExp(message.source.replace('$', '')),
    );
    expect((await ann.get('/api/v1/sessions')).body.total).toBe(before);
  });

  it('is refused when it is no archive', async () => {
    expect(await upload(ann, Buffer.from('hello'))).toMatchObject({
      status: 400,
      body: { error: { message: 'Invalid tar.gz archive: not a gzip file' } },
    });
    expect(await ann.post('/api/v1/sessions?source_tool=x', { file: 'x' })).toMatchObject({ status: 422 });
  });

  it('is refused before its body is sent: unauthenticated, badly named, too large', async () => {
    const size = 400 * 1_048_576;
    const form = [`content-type: multipart/form-data; boundary=x`, `content-length: ${size}`];
    const asked = async (query: string, ...more: string[]): Promise<number> =>
      (await rawRequest(server.url, [head(`POST /api/v1/sessions${query}`, ...form, ...more)])).status;
    expect(await asked('?source_tool=x')).toBe(401);
    expect(await asked('?source_tool=', `x-api-key: ${ann.key}`)).toBe(422);
    expect(await asked('?source_tool=x&tags=1', `x-api-key: ${ann.key}`)).toBe(400);
    expect(await asked('?source_tool=x', `x-api-key: ${ann.key}`)).toBe(413);
  });
});

describe('where mail is sent', () => {
  it('whoever has not proven an address neither uploads nor pushes', async () => {
    const bo = await signUp(server);
    const archive = await sessionArchive({}, [userSays('x')]);
    const refused = {
      status: 403,
      body: { error: { message: 'Email not verified. Check your inbox for the verification link.' } },
    };
    expect(await upload(bo, archive)).toMatchObject(refused);
    expect(await pushSession(bo, newSessionId(), archive)).toMatchObject(refused);
    await (await admin(server)).put(`/api/v1/admin/users/${bo.userId}/verify`);
    expect((await upload(bo, archive)).status).toBe(201);
  });
});
