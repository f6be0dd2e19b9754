import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Answer, Client } from '../support/client.js';
import { moveClock } from '../support/clock.js';
import { invite } from '../support/invites.js';
import { seedOrg } from '../support/org-rows.js';
import { type SmtpPeer, startSmtpPeer } from '../support/peers/smtp.js';
import { eventually, sql } from '../support/pinned-sessions.js';
import { startOn, startTestServer, type TestServer } from '../support/server.js';

const DAY = 24 * 3_600_000;

let smtp: SmtpPeer;
let server: TestServer;
let nobody: Client;
let people = 0;

beforeAll(async () => {
  smtp = await startSmtpPeer();
  server = await startTestServer({ SMTP_URL: `smtp://127.0.0.1:${smtp.port}`, PUBLIC_URL: 'https://git.example.org' });
  nobody = new Client(server.url, null);
});

afterAll(async () => {
  await server.close();
  await smtp.close();
});

interface Person extends Client {
  readonly email: string;
  readonly userId: string;
}

async function signUpAs(at: Pick<TestServer, 'url'> = server): Promise<Person & { message: string }> {
  const email = `person${(people += 1)}@example.com`;
  const { status, body } = await new Client(at.url, null).post('/api/v1/auth/signup', { email });
  expect(status).toBe(201);
  const { raw_key: key, user_id: userId, message } = body as Record<string, string>;
  return Object.assign(new Client(at.url, key!), { email, userId: userId!, message: message! });
}

/** The token of the newest mail, once there are `count` of them. */
async function mailedToken({ email }: Person, count = 1): Promise<string> {
  const mails = await eventually(async () => {
    const found = smtp.mailTo(email);
    return found.length >= count && found;
  });
  return /https:\/\/git\.example\.org\/api\/v1\/auth\/verify\/(vrf_[\w-]{32})/.exec(mails.at(-1)!.text!)![1]!;
}

const isVerified = async (person: Person): Promise<boolean> =>
  (await person.get('/api/v1/auth/me')).body.email_verified as boolean;
const follow = (token: string, accept = 'application/json'): Promise<Answer> =>
  nobody.get(`/api/v1/auth/verify/${token}`, { accept });

describe('the link that a new user is mailed', () => {
  it('verifies the address, as often as it is followed', async () => {
    const person = await signUpAs();
    expect(person.message).toBe('Account created. Verify your email to enable cloud sync.');
    expect(await isVerified(person)).toBe(false);
    const token = await mailedToken(person);
    for (let round = 0; round < 2; round += 1) {
      expect(await follow(token)).toMatchObject({ status: 200, body: { verified: true } });
    }
    expect(await isVerified(person)).toBe(true);
    const audited = await sql(server, `select 1 from audit where action = 'user.verify_email' and subject_id = $1`, [
      person.userId,
    ]);
    expect(audited).toHaveLength(1);
  });

  it('opens a page for people, also with the token in the query', async () => {
    const person = await signUpAs();
    const token = await mailedToken(person);
    const page = await nobody.get(`/api/v1/auth/verify?token=${token}`, { accept: 'text/html,*/*;q=0.8' });
    expect(page.status).toBe(200);
    expect(page.headers.get('content-type')).toMatch(/^text\/html/);
    expect(page.headers.get('referrer-policy')).toBe('no-referrer');
    expect(page.body).toContain('Address verified');
    expect(await isVerified(person)).toBe(true);
  });

  it('is stored as a digest only, and gone from the mail queue once it was sent', async () => {
    const person = await signUpAs();
    const token = await mailedToken(person);
    const [row] = await sql<{ digest: Buffer }>(server, 'select digest from email_verification where user_id = $1', [
      person.userId,
    ]);
    expect(row!.digest.includes(Buffer.from(token))).toBe(false);
    await eventually(async () => {
      const left = await sql(server, `select 1 from mail where facts::text like '%' || $1 || '%'`, [token]);
      return left.length === 0;
    });
  });

  it('is out of force after a day', async () => {
    const person = await signUpAs();
    const token = await mailedToken(person);
    moveClock([server], DAY + 1_000);
    expect(await follow(token)).toMatchObject({
      status: 400,
      body: { error: { code: '400', details: { error: 'verification_expired' } } },
    });
    expect((await follow(token, 'text/html')).body).toContain('Link expired');
    expect(await isVerified(person)).toBe(false);
  });

  it('is refused when it is none, unknown, or missing', async () => {
    for (const token of ['nonsense', 'vrf_short', `${'x'.repeat(5_000)}`, 'eyJhbGciOiJIUzI1NiJ9.e30.x']) {
      expect((await follow(token)).status).toBe(400);
    }
    expect((await follow(`vrf_${'A'.repeat(32)}`)).status).toBe(404);
    for (const query of ['', '?token=a&token=b']) {
      expect(await nobody.get(`/api/v1/auth/verify${query}`)).toMatchObject({
        status: 422,
        body: { error: { details: { errors: [{ loc: ['query', 'token'] }] } } },
      });
    }
  });
});

describe('another link', () => {
  const resend = (person: Person): Promise<Answer> => person.post('/api/v1/auth/verify/resend');

  it('puts the earlier one out of force', async () => {
    const person = await signUpAs();
    const first = await mailedToken(person);
    expect(await resend(person)).toMatchObject({ status: 200, body: { sent: true } });
    const second = await mailedToken(person, 2);
    expect((await follow(first)).status).toBe(404);
    expect(await isVerified(person)).toBe(false);
    expect((await follow(second)).status).toBe(200);
    expect(await isVerified(person)).toBe(true);
  });

  it('is not sent to an address that is verified', async () => {
    const person = await signUpAs();
    await follow(await mailedToken(person));
    expect(await resend(person)).toMatchObject({ status: 200, body: { sent: false } });
    expect(smtp.mailTo(person.email)).toHaveLength(1);
  });

  it('is sent a few times an hour, then refused with the time to wait', async () => {
    const person = await signUpAs();
    const statuses: number[] = [];
    for (let round = 0; round < 5; round += 1) statuses.push((await resend(person)).status);
    expect(statuses).toEqual([200, 200, 200, 200, 429]);
    const refused = await resend(person);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await resend(await signUpAs())).status).toBe(200);
  });
});

describe('without a mail server', () => {
  it('the link is written for the operator, and unverified users do everything of their own', async () => {
    const alone = await startTestServer();
    try {
      const person = await signUpAs(alone);
      expect(person.message).not.toMatch(/Verify your email/);
      expect((await person.post('/v1/repos', { slug: 'mine' })).status).toBe(201);
      const folder = join(alone.dataDir, 'mail');
      const file = await eventually(async () =>
        (await readdir(folder).catch(() => [])).find((name) => name.endsWith('.eml')),
      );
      const written = (await readFile(join(folder, file), 'utf8')).replace(/=\r?\n/g, '');
      const token = /vrf_[\w-]{32}/.exec(written)![0];
      const answer = await new Client(alone.url, null).get(`/api/v1/auth/verify/${token}`, {
        accept: 'application/json',
      });
      expect(answer.status).toBe(200);
      expect(await isVerified(person)).toBe(true);
    } finally {
      await alone.close();
    }
  });
});

describe('sign-up by invite', () => {
  it('lets in whom an organisation has invited, as long as the invite lives, and nobody else', async () => {
    const person = await signUpAs();
    const owner = Object.assign(person, { slug: '', keyId: '' });
    const org = await seedOrg(server, owner);
    const closed = await startOn(server.databaseUrl, server.dataDir, { SIGNUP: 'invite' });
    const signUp = (email: string): Promise<Answer> =>
      new Client(closed.url, null).post('/api/v1/auth/signup', { email });
    try {
      await invite(owner, org.id, 'welcome@example.com');
      const revoked = await invite(owner, org.id, 'revoked@example.com');
      await owner.delete(`/api/v1/orgs/${org.id}/invites/${revoked}`);
      expect((await signUp('Welcome@example.com')).status).toBe(201);
      for (const email of ['stranger@example.com', 'revoked@example.com']) {
        expect(await signUp(email)).toMatchObject({
          status: 403,
          body: { error: { details: { error: 'signup_closed' } } },
        });
      }
    } finally {
      await closed.close();
    }
  });
});

describe('failed logins', () => {
  it('at one key are limited from all addresses together; the key itself goes on', async () => {
    const guarded = await startTestServer({ AUTH_FAILURE_LIMIT_PER_MINUTE: '5', TRUST_PROXY: '1' });
    try {
      const victim = await signUpAs(guarded);
      const guess = (round: number): Promise<Answer> => {
        const wrong = victim.key!.slice(0, 12) + String(round).padStart(victim.key!.length - 12, '0');
        const headers = { 'x-api-key': wrong, 'x-forwarded-for': `192.0.2.${round}` };
        return new Client(guarded.url, null).get('/v1/repos', headers);
      };
      const statuses: number[] = [];
      for (let round = 1; round <= 6; round += 1) statuses.push((await guess(round)).status);
      expect(statuses).toEqual([401, 401, 401, 401, 401, 429]);
      expect(Number((await guess(7)).headers.get('retry-after'))).toBeGreaterThan(0);
      expect((await victim.get('/v1/repos', { 'x-forwarded-for': '192.0.2.99' })).status).toBe(200);
    } finally {
      await guarded.close();
    }
  });

  it('count for the whole network of an IPv6 address', async () => {
    const guarded = await startTestServer({ AUTH_FAILURE_LIMIT_PER_MINUTE: '3', TRUST_PROXY: '1' });
    try {
      const ask = async (address: string): Promise<number> =>
        (await new Client(guarded.url, 'nonsense').get('/v1/repos', { 'x-forwarded-for': address })).status;
      const statuses = [];
      for (const host of ['::1', '::2', ':ffff::3', '::4']) statuses.push(await ask(`2001:db8:1:2${host}`));
      expect(statuses).toEqual([401, 401, 401, 429]);
      expect(await ask('2001:db8:1:3::1')).toBe(401);
    } finally {
      await guarded.close();
    }
  });
});
