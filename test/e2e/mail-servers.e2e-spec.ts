import { once } from 'node:events';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import PostalMime from 'postal-mime';
import { Mail } from '../../libs/platform/src/index.js';
import { LOCALHOST } from '../support/peers/localhost-certificate.js';
import { type SmtpPeer, startSmtpPeer } from '../support/peers/smtp.js';
import { eventually, sql } from '../support/pinned-sessions.js';
import { startOn, startTestServer } from '../support/server.js';
import { startServerProcess } from '../support/server-process.js';

const VERIFICATION = { token: 'secret-token', expiresAt: '2026-11-23T00:00:00.000Z' };

let people = 0;
const somebody = (): string => `person${(people += 1)}@example.com`;

describe('a mail server with STARTTLS and logins', () => {
  let strict: SmtpPeer;
  const trusted = getCACertificates('default');
  const login = { user: 'mailer@example.org', password: 'p@ss/word' };

  beforeAll(async () => {
    strict = await startSmtpPeer({ tls: 'required', login });
  });

  afterAll(async () => {
    setDefaultCACertificates(trusted);
    await strict.close();
  });

  /** What becomes of a mail of a server with these settings, on a database of its own. */
  async function sendWith(env: Record<string, string>): Promise<{ to: string; error: string | null }> {
    const own = await startTestServer({ LOG_LEVEL: 'silent', ...env });
    try {
      const to = somebody();
      const id = await own.app.get(Mail).send('verification', to, VERIFICATION);
      const delivery = await eventually(async () => {
        const found = await own.app.get(Mail).findDelivery(id);
        return found && (found.state !== 'waiting' || found.lastError) ? found : null;
      });
      expect(delivery.state).toBe(delivery.lastError ? 'waiting' : 'sent');
      return { to, error: delivery.lastError };
    } finally {
      await own.close();
    }
  }

  const url = (password = login.password): string =>
    `smtp://${encodeURIComponent(login.user)}:${encodeURIComponent(password)}@127.0.0.1:${strict.port}`;

  it('gets no mail while its certificate is not trusted', async () => {
    const { to, error } = await sendWith({ SMTP_URL: url() });
    expect(error).toMatch(/certificate/i);
    expect(strict.attempts).not.toContain(to);
  });

  it('gets mail through TLS from a user who logged in', async () => {
    setDefaultCACertificates([...trusted, LOCALHOST.cert]);
    const { to } = await sendWith({ SMTP_URL: url(), MAIL_FROM: 'The Würste <robot@example.org>' });
    expect(strict.mailTo(to)).toMatchObject([
      { isEncrypted: true, user: login.user, from: { name: 'The Würste', address: 'robot@example.org' } },
    ]);
  });

  it('takes its settings in pieces as well', async () => {
    const { to } = await sendWith({
      SMTP_HOST: 'localhost',
      SMTP_PORT: String(strict.port),
      SMTP_USER: login.user,
      SMTP_PASSWORD: login.password,
      SMTP_SECURE: 'starttls',
    });
    expect(strict.mailTo(to)).toMatchObject([{ isEncrypted: true, user: login.user }]);
  });

  it('keeps the mail waiting when it refuses the login, which the operator can mend', async () => {
    const { to, error } = await sendWith({ SMTP_URL: url('wrong') });
    expect(error).toContain('535');
    expect(strict.mailTo(to)).toEqual([]);
  });

  it('is not sent to in the clear when STARTTLS is demanded but not offered', async () => {
    const open = await startSmtpPeer();
    const { error } = await sendWith({ SMTP_URL: `smtp://127.0.0.1:${open.port}`, SMTP_SECURE: 'starttls' });
    await open.close();
    expect(error).toMatch(/STARTTLS/);
    expect(open.attempts).toEqual([]);
  });
});

describe('without a mail server', () => {
  it('a mail becomes a file that only the owner may read, and the log names it', async () => {
    const api = await startTestServer({ APP_MODE: 'api' });
    const worker = await startServerProcess({
      APP_MODE: 'worker',
      DATABASE_URL: api.databaseUrl,
      DATA_DIR: api.dataDir,
      LOG_LEVEL: 'info',
      HOST: '127.0.0.1',
    });
    try {
      const to = somebody();
      const id = await api.app.get(Mail).send('verification', to, VERIFICATION);
      expect(api.app.get(Mail).reachesPeople).toBe(false);
      const folder = join(api.dataDir, 'mail');
      const path = await eventually(async () => /[^"\s]*\.eml/.exec(worker.output())?.[0]);
      expect(await readdir(folder)).toEqual([path.slice(folder.length + 1)]);
      expect(path).toMatch(new RegExp(`-verification-${id}\\.eml$`));
      expect((await stat(path)).mode & 0o777).toBe(0o600);
      expect((await stat(folder)).mode & 0o777).toBe(0o700);
      const email = await PostalMime.parse(await readFile(path));
      expect(email).toMatchObject({ to: [{ address: to }], subject: 'Verify your e-mail address' });
      expect(email.text).toContain('/api/v1/auth/verify/secret-token');
      expect(worker.output()).not.toContain('secret-token');
      expect(await api.app.get(Mail).findDelivery(id)).toMatchObject({ state: 'sent', sentBy: 'file' });
    } finally {
      await worker.stop();
      await api.close();
    }
  });
});

describe('a server that is killed while it sends', () => {
  it('leaves the mail to the next one, which sends it under the same Message-ID', async () => {
    const peer = await startSmtpPeer();
    const SMTP_URL = `smtp://127.0.0.1:${peer.port}`;
    const api = await startTestServer({ APP_MODE: 'api' });
    const { databaseUrl: DATABASE_URL, dataDir: DATA_DIR } = api;
    const worker = await startServerProcess({
      APP_MODE: 'worker',
      DATABASE_URL,
      DATA_DIR,
      SMTP_URL,
      HOST: '127.0.0.1',
    });
    try {
      const to = somebody();
      peer.treat(to, 'hold');
      const id = await api.app.get(Mail).send('verification', to, VERIFICATION);
      await eventually(async () => peer.heldCount === 1);
      const ended = once(worker.child, 'exit');
      worker.child.kill('SIGKILL');
      await ended;
      peer.release();
      expect(await api.app.get(Mail).findDelivery(id)).toMatchObject({ state: 'waiting' });
      const next = await startOn(DATABASE_URL, DATA_DIR, { SMTP_URL });
      // The lease of the dead one holds for minutes.
      await sql(next, 'update mail set next_try_at = now() where id = $1', [id]);
      await eventually(async () => (await next.app.get(Mail).findDelivery(id))?.state === 'sent');
      await next.close();
      expect(new Set(peer.mailTo(to).map(({ messageId }) => messageId))).toEqual(new Set([`<${id}@localhost>`]));
    } finally {
      await worker.stop();
      await api.close();
      await peer.close();
    }
  });
});
