import { Database, Mail, type MailFacts } from '../../libs/platform/src/index.js';
import { type SmtpPeer, startSmtpPeer } from '../support/peers/smtp.js';
import { eventually, sql } from '../support/pinned-sessions.js';
import { startOn, startTestServer, type TestServer } from '../support/server.js';

const PUBLIC_URL = 'https://code.example.org/base/';
const VERIFICATION = { token: 'secret-token', expiresAt: '2026-11-23T00:00:00.000Z' };
const HANDOFF: MailFacts['handoff'] = {
  sender: 'ada@example.com',
  title: 'Fix the parser',
  pullCommand: 'sfs pull-handoff hnd_0a1b2c3d4e5f6071',
  path: '/api/v1/handoffs/hnd_0a1b2c3d4e5f6071',
  tool: 'some-agent',
  model: 'large-1',
  messages: 1234,
  tokens: null,
  gitRemote: 'github.com/acme/parser',
  gitBranch: 'main',
  message: 'please finish\nthe tests',
  expiresAt: '2026-11-29T00:00:00.000Z',
};

interface MailRow {
  readonly facts: unknown;
  readonly attempts: number;
  readonly sent_by: string | null;
  readonly failed_at: Date | null;
  readonly last_error: string | null;
  readonly seconds: number | null;
}

let peer: SmtpPeer;
let server: TestServer;
let mail: Mail;
let people = 0;

beforeAll(async () => {
  peer = await startSmtpPeer();
  server = await startTestServer({ SMTP_URL: `smtp://127.0.0.1:${peer.port}`, PUBLIC_URL, LOG_LEVEL: 'silent' });
  mail = server.app.get(Mail);
});

afterAll(async () => {
  await server.close();
  await peer.close();
});

const somebody = (): string => `person${(people += 1)}@example.com`;

async function rowOf(id: string): Promise<MailRow> {
  const [row] = await sql<MailRow>(
    server,
    `select facts, attempts, sent_by, failed_at, last_error,
            extract(epoch from next_try_at - now())::int as seconds from mail where id = $1`,
    [id],
  );
  return row!;
}

/** The row once its try is over: a try that runs holds a lease of five minutes. */
const settled = (id: string): Promise<MailRow> =>
  eventually(async () => {
    const row = await rowOf(id);
    return row.sent_by || row.failed_at || row.last_error ? row : null;
  });

const makeDue = (id: string): Promise<unknown> =>
  sql(server, `update mail set next_try_at = now(), last_error = null where id = $1`, [id]);

async function metric(line: string): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return Number(
    text
      .split('\n')
      .find((found) => found.startsWith(`${line} `))
      ?.split(' ')[1],
  );
}

describe('a mail', () => {
  it('arrives once, as text and HTML, with links from PUBLIC_URL and nothing left of its facts', async () => {
    const to = somebody();
    const id = await mail.send('verification', to, VERIFICATION);
    expect(await settled(id)).toMatchObject({ sent_by: 'smtp', facts: null, attempts: 1 });
    expect(peer.attempts.filter((attempt) => attempt === to)).toHaveLength(1);
    const [received] = peer.mailTo(to);
    expect(received).toMatchObject({
      from: { name: 'Roundhouse', address: 'noreply@code.example.org' },
      to: [{ address: to }],
      sender: 'noreply@code.example.org',
      subject: 'Verify your e-mail address',
      messageId: `<${id}@code.example.org>`,
    });
    const link = 'https://code.example.org/base/api/v1/auth/verify/secret-token';
    expect(received!.text).toContain(link);
    expect(received!.html).toContain(`href="${link}"`);
    expect(received!.raw).toMatch(/^Auto-Submitted: auto-generated\r$/im);
    expect(await mail.findDelivery(id)).toEqual({ id, state: 'sent', sentBy: 'smtp', lastError: null });
  });

  it('is not sent when its transaction is rolled back', async () => {
    const [undone, kept] = [somebody(), somebody()];
    const failing = server.app.get(Database).transaction(async () => {
      await mail.send('verification', undone, VERIFICATION);
      throw new Error('no effect, no mail');
    });
    await expect(failing).rejects.toThrow('no effect, no mail');
    await settled(await mail.send('verification', kept, VERIFICATION));
    expect(peer.attempts).not.toContain(undone);
    expect(await sql(server, 'select from mail where recipient = $1', [undone])).toEqual([]);
  });

  it('is not sent any more once it is withdrawn', async () => {
    const to = somebody();
    peer.treat(to, { at: 'rcpt', code: 451, text: '4.7.1 greylisted' });
    const id = await mail.send('verification', to, VERIFICATION);
    await settled(id);
    await mail.withdraw(id);
    expect(await mail.findDelivery(id)).toBeNull();
    const sent = await mail.send('verification', somebody(), VERIFICATION);
    await settled(sent);
    await mail.withdraw(sent);
    expect(await mail.findDelivery(sent)).toMatchObject({ state: 'sent' });
  });

  it('tells the recipient of a handoff everything needed to take it', async () => {
    const to = somebody();
    await settled(await mail.send('handoff', to, HANDOFF));
    const [received] = peer.mailTo(to);
    expect(received!.subject).toBe('ada@example.com handed off: Fix the parser');
    for (const form of [received!.text, received!.html]) {
      for (const part of [
        HANDOFF.pullCommand,
        'large-1',
        '1,234',
        'acme/parser',
        'main',
        'please finish',
        'the tests',
      ]) {
        expect(form).toContain(part);
      }
      expect(form).toContain(`https://code.example.org/base${HANDOFF.path}`);
      expect(form).not.toContain('Tokens');
    }
  });

  it('survives the end of the server between the commit and the delivery', async () => {
    const to = somebody();
    const home = await startTestServer({ APP_MODE: 'api' });
    const first = await startOn(home.databaseUrl, home.dataDir, { APP_MODE: 'api' });
    const id = await first.app.get(Mail).send('verification', to, VERIFICATION);
    await first.close();
    expect(peer.attempts).not.toContain(to);
    const next = await startOn(home.databaseUrl, home.dataDir, { SMTP_URL: `smtp://127.0.0.1:${peer.port}` });
    await eventually(async () => (await next.app.get(Mail).findDelivery(id))?.state === 'sent');
    await next.close();
    await home.close();
    expect(peer.mailTo(to)).toHaveLength(1);
  });
});

describe('several nodes', () => {
  it('send every mail once', async () => {
    const other = await startOn(server.databaseUrl, server.dataDir, {
      SMTP_URL: `smtp://127.0.0.1:${peer.port}`,
      LOG_LEVEL: 'silent',
    });
    try {
      const recipients = Array.from({ length: 40 }, somebody);
      const senders = [mail, other.app.get(Mail)];
      const ids = await Promise.all(
        recipients.map((to, index) => senders[index % 2]!.send('verification', to, VERIFICATION)),
      );
      await Promise.all(ids.map(settled));
      for (const to of recipients) expect(peer.attempts.filter((attempt) => attempt === to)).toHaveLength(1);
    } finally {
      await other.close();
    }
  });

  it('leave a mail alone that one of them is sending', async () => {
    const to = somebody();
    peer.treat(to, 'hold');
    const id = await mail.send('verification', to, VERIFICATION);
    await eventually(async () => peer.attempts.includes(to));
    const other = await startOn(server.databaseUrl, server.dataDir, { SMTP_URL: `smtp://127.0.0.1:${peer.port}` });
    try {
      // The other node has been through its outbox when it has sent a mail that came later.
      const later = await other.app.get(Mail).send('verification', somebody(), VERIFICATION);
      expect(await settled(later)).toMatchObject({ sent_by: 'smtp' });
      expect(peer.attempts.filter((attempt) => attempt === to)).toHaveLength(1);
      peer.release();
      expect(await settled(id)).toMatchObject({ sent_by: 'smtp', attempts: 1 });
      expect(peer.mailTo(to)).toHaveLength(1);
    } finally {
      await other.close();
    }
  });
});

describe('a mail that the mail server does not take', () => {
  it('is tried again after a 451, under the same Message-ID', async () => {
    const to = somebody();
    peer.treat(to, { at: 'rcpt', code: 451, text: '4.7.1 greylisted' });
    const id = await mail.send('verification', to, VERIFICATION);
    const waiting = await settled(id);
    expect(waiting).toMatchObject({ attempts: 1, sent_by: null, failed_at: null, facts: VERIFICATION });
    expect(waiting.last_error).toContain('greylisted');
    expect(waiting.seconds).toBeGreaterThan(30);
    expect(waiting.seconds).toBeLessThanOrEqual(60);
    expect(await metric('roundhouse_mail{state="waiting"}')).toBeGreaterThan(0);
    peer.treat(to, null);
    await makeDue(id);
    expect(await settled(id)).toMatchObject({ sent_by: 'smtp', attempts: 2, facts: null });
    expect(peer.mailTo(to)).toMatchObject([{ messageId: `<${id}@code.example.org>` }]);
  });

  it('is tried again when the connection breaks before the answer', async () => {
    const to = somebody();
    peer.treat(to, 'cut');
    const id = await mail.send('verification', to, VERIFICATION);
    expect(await settled(id)).toMatchObject({ sent_by: null, failed_at: null });
    peer.treat(to, null);
    await makeDue(id);
    expect(await settled(id)).toMatchObject({ sent_by: 'smtp' });
  });

  it.each([
    ['recipient', { at: 'rcpt', code: 550, text: '5.1.1 no such mailbox' }],
    ['message', { at: 'data', code: 554, text: '5.7.1 looks like spam' }],
  ] as const)('has failed for good when the %s is refused, and is seen as such', async (_, treatment) => {
    const to = somebody();
    const failedBefore = await metric('roundhouse_mail{state="failed"}');
    peer.treat(to, treatment);
    const id = await mail.send('verification', to, VERIFICATION);
    const row = await settled(id);
    expect(row).toMatchObject({ attempts: 1, facts: null, sent_by: null, seconds: null });
    expect(row.failed_at).not.toBeNull();
    expect(row.last_error).toContain(treatment.text);
    expect(await mail.findDelivery(id)).toMatchObject({ state: 'failed' });
    expect(await metric('roundhouse_mail{state="failed"}')).toBe(failedBefore + 1);
  });

  it('has failed after the eighth try, its facts gone', async () => {
    const to = somebody();
    peer.treat(to, { at: 'data', code: 452, text: '4.2.2 mailbox full' });
    const id = await mail.send('verification', to, VERIFICATION);
    for (let attempt = 1; attempt < 8; attempt += 1) {
      expect(await settled(id)).toMatchObject({ attempts: attempt, failed_at: null, facts: VERIFICATION });
      await makeDue(id);
    }
    const row = await settled(id);
    expect(row).toMatchObject({ attempts: 8, facts: null, seconds: null });
    expect(row.last_error).toContain('mailbox full');
  });

  it('has failed at once when it goes to an address the server cannot serve', async () => {
    const row = await settled(await mail.send('verification', `jürgen${people}@example.com`, VERIFICATION));
    expect(row.failed_at).not.toBeNull();
  });
});

describe('text of other people', () => {
  it('arrives as it was written, in any script', async () => {
    const to = somebody();
    await settled(await mail.send('handoff', to, { ...HANDOFF, title: 'Größe 修正 🦀', message: 'шаг\tпервый\n第二' }));
    const [received] = peer.mailTo(to);
    expect(received!.subject).toBe('ada@example.com handed off: Größe 修正 🦀');
    expect(received!.text).toContain('> шаг\tпервый\n> 第二');
    expect(received!.html).toContain('Größe 修正 🦀');
  });

  it('adds no header, recipient or part', async () => {
    const to = somebody();
    const evil = 'x\r\nBcc: victim@example.com\r\n\r\nbody\u2028Subject: y\n.\r\nQUIT';
    const facts = { ...HANDOFF, title: evil, sender: evil, model: evil, pullCommand: evil, message: evil };
    await settled(await mail.send('handoff', to, facts));
    const [received] = peer.mailTo(to);
    expect(received!.recipients).toEqual([to]);
    expect(received!.bcc ?? []).toEqual([]);
    expect(received!.headers.filter(({ key }) => key === 'subject')).toHaveLength(1);
    expect(received!.subject).toMatch(/^x Bcc: victim@example.com body Subject: y \. QUIT handed off: x Bcc/);
    expect(received!.text!.split('\n').filter((line) => line.startsWith('Bcc'))).toEqual([]);
    expect(peer.attempts).not.toContain('victim@example.com');
  });

  it('is text in the HTML too', async () => {
    const to = somebody();
    const evil = `<script>alert(1)</script><a href="x" onclick='y'>&amp;`;
    const facts = {
      ...HANDOFF,
      title: evil,
      sender: evil,
      model: evil,
      gitBranch: evil,
      pullCommand: evil,
      message: evil,
    };
    await settled(await mail.send('handoff', to, facts));
    const html = peer.mailTo(to)[0]!.html!;
    expect(html).not.toMatch(/<script|<a href="x"|onclick='/);
    expect(html).toContain(
      '&lt;script&gt;alert(1)&lt;/script&gt;&lt;a href=&quot;x&quot; onclick=&#39;y&#39;&gt;&amp;amp;',
    );
  });

  it.each([
    'a@example.com, b@example.com',
    'a@example.com\r\nBcc: b@example.com',
    'a@example.com> RCPT TO:<b@example.com',
    'Group: a@example.com;',
    '"a b"@example.com',
    'nobody',
    `${'a'.repeat(250)}@example.com`,
  ])('is no address: %j', async (to) => {
    await expect(mail.send('verification', to, VERIFICATION)).rejects.toMatchObject({ code: 'invalid_input' });
  });
});
