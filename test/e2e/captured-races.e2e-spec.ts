import { createHash } from 'node:crypto';
import { newSessionId, pushSession, sessionArchive, userSays } from '../support/captured-sessions.js';
import { type Answer, Client, signUp, type TestAccount } from '../support/client.js';
import { startTestServer, type TestServer } from '../support/server.js';

const PUSHES = 100;

let server: TestServer;
let ann: TestAccount;
let laptop: Client;

beforeAll(async () => {
  server = await startTestServer();
  ann = await signUp(server);
  const { body } = await ann.post('/api/v1/auth/keys', { name: 'laptop' });
  laptop = new Client(server.url, (body.raw_key ?? body.key) as string);
});

afterAll(async () => {
  await server.close();
});

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

interface Version {
  readonly etag: string;
  readonly is_branch: boolean;
  readonly is_current: boolean;
}

async function versionsOf(id: string): Promise<Version[]> {
  const found: Version[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const page = await ann.get(`/api/v1/sessions/${id}/versions?limit=40${cursor && `&cursor=${cursor}`}`);
    found.push(...(page.body.versions as Version[]));
    cursor = page.body.next_cursor as string | null;
  }
  return found;
}

/** One push of a client that believes `known` to be current, as its archive says too. */
async function push(client: Client, id: string, name: string, known: string, isConditional: boolean): Promise<Answer> {
  const archive = await sessionArchive({ title: name, sync: { etag: known } }, [userSays(name)]);
  const answer = await pushSession(client, id, archive, isConditional ? { 'if-match': `"${known}"` } : {});
  if (answer.status === 200) expect(answer.body.etag).toBe(sha256(archive));
  return answer;
}

describe(`${PUSHES} pushes of one session at once, from two clients`, () => {
  it('lose no acknowledged version, keep what they overwrite as branches, and name the current ETag', async () => {
    const id = newSessionId();
    const first = (await pushSession(ann, id, await sessionArchive({ title: 'first' }, []))).body.etag as string;
    const answers = await Promise.all(
      Array.from({ length: PUSHES }, (_, n) => push(n % 2 ? ann : laptop, id, `push ${n}`, first, n % 4 > 1)),
    );
    const accepted = answers.filter(({ status }) => status === 200);
    const refused = answers.filter(({ status }) => status !== 200);
    expect(accepted.length).toBeGreaterThanOrEqual(PUSHES / 2);
    const versions = await versionsOf(id);
    const acknowledged = [first, ...accepted.map(({ body }) => body.etag as string)];
    expect(versions.map(({ etag }) => etag).sort()).toEqual([...acknowledged].sort());
    for (const { status, body } of refused) {
      expect({ status, code: body.error.code }).toEqual({ status: 409, code: 'etag_mismatch' });
      expect(acknowledged).toContain(body.error.details.current_etag);
    }
    // Each knew the first version only: every other one that was overwritten is a branch, and was named to who did it.
    const branches = versions.filter(({ is_branch: isBranch }) => isBranch).map(({ etag }) => etag);
    const named = accepted.map(({ body }) => body.branch_etag as string | null).filter((etag) => etag !== null);
    expect(named.sort()).toEqual(branches.sort());
    const current = versions.find(({ is_current: isCurrent }) => isCurrent)!.etag;
    expect(new Set([first, current, ...branches])).toEqual(new Set(acknowledged));
    for (const etag of acknowledged) {
      const answer = await fetch(`${server.url}/api/v1/sessions/${id}/sync?etag=${etag}`, {
        headers: { 'x-api-key': ann.key! },
      });
      expect(sha256(Buffer.from(await answer.arrayBuffer()))).toBe(etag);
    }
    const stale = await push(laptop, id, 'stale', first, true);
    expect(stale.body.error.details.current_etag).toBe(current);
    expect((await ann.get(`/api/v1/sessions/${id}`)).body.etag).toBe(current);
  });

  it('all get in, one after the other and without a branch, when each goes on from the ETag it was told', async () => {
    const id = newSessionId();
    const first = (await pushSession(ann, id, await sessionArchive({ title: 'first' }, []))).body.etag as string;
    const insist = async (client: Client, name: string): Promise<void> => {
      for (let known = first; ;) {
        const { status, body } = await push(client, id, name, known, true);
        if (status === 200) return;
        expect(status).toBe(409);
        known = body.error.details.current_etag as string;
      }
    };
    await Promise.all(Array.from({ length: 12 }, (_, n) => insist(n % 2 ? ann : laptop, `turn ${n}`)));
    const versions = await versionsOf(id);
    expect(versions).toHaveLength(13);
    expect(versions.filter(({ is_branch: isBranch }) => isBranch)).toEqual([]);
  });
});
