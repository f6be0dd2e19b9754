import { Browser, type Page } from '../support/browser.js';
import { newSessionId, pushSession, sessionArchive, userSays } from '../support/captured-sessions.js';
import { signUp, type TestAccount } from '../support/client.js';
import { startTestServer, type TestServer } from '../support/server.js';

const SECRET = 'ghp' + '_' + 'a1B2c3D4e5'.repeat(4).slice(0, 36);
const ATTACK = `"><script>alert(1)</script><img src=x onerror=alert(2)>'<svg/onload=alert(3)>&lt;b&gt;</title></pre></article>`;

let server: TestServer;
let ann: TestAccount;

beforeAll(async () => {
  server = await startTestServer();
  ann = await signUp(server);
});

afterAll(async () => {
  await server.close();
});

/** Where a session of these messages is shared. */
async function shared(messages: readonly object[], { title = 'A title', password = null as string | null } = {}) {
  const id = newSessionId();
  await pushSession(ann, id, await sessionArchive({ title: 'x' }, messages));
  await ann.patch(`/api/v1/sessions/${id}`, { title });
  const { body } = await ann.post(`/api/v1/sessions/${id}/share`, { password });
  return server.url + new URL(body.url).pathname;
}

const block = (type: string, fields: object, role = 'assistant'): object => ({
  msg_id: type,
  role,
  timestamp: '2026-07-02T08:04:00Z',
  content: [{ type, ...fields }],
});

const TAGS = new Set(
  'html head meta title link body header h1 h3 p main nav span a article b time pre code strong details summary footer form label input button'.split(
    ' ',
  ),
);
const ATTRIBUTES =
  /^(?:lang|charset|name|content|rel|class|id|dir|datetime|download|method|for|type|maxlength|required|autofocus|autocomplete|role)$/;

/** Every tag and attribute of the page, as a browser reads them, is one of ours. */
function expectHarmless({ text }: Page): void {
  const body = text.replace(/^<!doctype html>/, '');
  for (const [, name = '', rest = ''] of body.matchAll(/<\/?([^\s>]*)([^>]*)>/g)) {
    expect(TAGS).toContain(name);
    for (const [, attribute = '', value = ''] of rest.matchAll(/([^\s=]+)(?:="([^"]*)")?/g)) {
      if (attribute === 'href')
        expect(value).toMatch(/^(?:#m\d+|\?[\w=&;]+|\/api\/v1\/sessions\/share\/page\.css\?v=\w+)$/);
      else expect(attribute).toMatch(ATTRIBUTES);
    }
  }
}

describe('the page of a shared session', () => {
  it('shows the conversation: prose, code, tool calls and their results', async () => {
    const url = await shared([
      userSays('Why does a *tab* break `line 7`?\n\n# Facts\n\n**Only** tabs do:\n```sh\npytest -q\n```\ndone'),
      block('tool_use', { tool_use_id: 'u1', name: 'Bash', input: { command: 'pytest -q' } }),
      block('tool_result', { tool_use_id: 'u1', content: '1 failed', exit_code: 1, is_error: true }, 'tool'),
      block('thinking', { text: 'hm' }),
      block('image', { source: { type: 'base64', data: 'AAAA', media_type: 'image/png' } }),
      block('invented', { anything: [1] }),
    ]);
    const page = await new Browser().visit(url);
    expect(page.status).toBe(200);
    expectHarmless(page);
    for (const shown of [
      '<title>A title</title>',
      '<p>Why does a *tab* break <code>line 7</code>?</p><h3>Facts</h3><p><strong>Only</strong> tabs do:</p>',
      '<pre><code>pytest -q</code></pre><p>done</p>',
      '<summary><code>Bash</code> called</summary><pre><code>{\n  &#34;command&#34;: &#34;pytest -q&#34;\n}</code></pre>',
      '<summary>Failed result, exit code 1</summary><pre><code>1 failed</code></pre>',
      '<time datetime="2026-07-02T08:04:00.000Z">2026-07-02 08:04 UTC</time>',
      'An image, which is only in the archive.',
      '<summary>invented</summary>',
    ]) {
      expect(page.text).toContain(shown);
    }
  });

  it('can neither run nor fetch nor be framed nor listed, and tells no other site its address', async () => {
    const page = await new Browser().visit(await shared([userSays('x')]));
    expect(Object.fromEntries(page.headers)).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy':
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
      'x-robots-tag': 'noindex, nofollow',
      'referrer-policy': 'no-referrer',
      'cache-control': 'private, no-store',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
    });
    const [, style = ''] = /href="([^"]*page\.css[^"]*)"/.exec(page.text) ?? [];
    const sheet = await new Browser('text/css').visit(new URL(style, page.url).href);
    expect([sheet.status, sheet.headers.get('content-type')]).toEqual([200, 'text/css; charset=utf-8']);
    expect(sheet.text).toContain('prefers-color-scheme: dark');
  });

  it('takes nothing in it for markup, wherever it stands', async () => {
    const url = await shared(
      [
        userSays(`${ATTACK}\n\n# ${ATTACK}\n\n\`${ATTACK}\` **${ATTACK}**\n\n\`\`\`${ATTACK}\n${ATTACK}\n`),
        { ...userSays('x'), role: ATTACK, timestamp: ATTACK },
        block('tool_use', { tool_use_id: ATTACK, name: ATTACK, input: { [ATTACK]: ATTACK } }),
        block('tool_result', { content: [{ type: 'text', text: ATTACK }], exit_code: ATTACK }, 'tool'),
        block(ATTACK, { text: ATTACK }),
        block('thinking', { text: `[x](javascript:alert(1)) ![y](https://evil.example/p.png)\u0000\u0007` }),
      ],
      { title: `Title &"' ${ATTACK.replaceAll('>', '› >')}` },
    );
    const page = await new Browser().visit(url);
    expect(page.text).toContain('alert(1)');
    expectHarmless(page);
    expect(page.text).not.toMatch(/[\u0000-\u0008]/);
  });

  it('shows no secret, not even of one that is in the title or in a name', async () => {
    const page = await new Browser().visit(
      await shared(
        [
          userSays(`export TOKEN=${SECRET}`),
          block('tool_use', { name: `call ${SECRET}`, input: { [SECRET]: { deep: [`${SECRET} again`] } } }),
        ],
        { title: `About ${SECRET}` },
      ),
    );
    expect(page.text).not.toContain(SECRET);
    expect(page.text.match(/\[REDACTED:github_token\]/g)?.length).toBeGreaterThanOrEqual(5);
  });

  it('of a long conversation has pages, and of a long message the beginning', async () => {
    const messages = [userSays('l'.repeat(70_000)), ...Array.from({ length: 119 }, (_, n) => userSays(`message ${n}`))];
    const browser = new Browser();
    const url = await shared(messages);
    const first = await browser.visit(url);
    expect(first.text).toContain('Page 1 of 3');
    expect(first.text).toContain('The rest of this message is only in the archive.');
    expect(first.text.length).toBeLessThan(150_000);
    const [, next = ''] = /rel="next" href="([^"]*)"/.exec(first.text) ?? [];
    const second = await browser.visit(new URL(next.replaceAll('&amp;', '&'), url).href);
    expectHarmless(second);
    expect(second.text).toContain('Page 2 of 3');
    expect(second.text).toContain('<p>message 50</p>');
    expect(second.text).not.toContain('<p>message 48</p>');
    expect((await browser.visit(`${url}?page=7`)).text).toContain('Page 7 of 3');
    const refused = await browser.visit(`${url}?page=0`);
    expect([refused.status, refused.headers.get('content-type')]).toEqual([422, 'text/html; charset=utf-8']);
    const archive = await browser.visit(`${url}?format=archive`);
    expect(archive.headers.get('content-type')).toBe('application/gzip');
  });

  it('of an empty conversation is a page, too', async () => {
    const page = await new Browser().visit(await shared([]));
    expect([page.status, page.text]).toEqual([200, expect.stringContaining('0 messages')]);
  });
});

describe('the page of a session that is shared with a password', () => {
  const messages = Array.from({ length: 60 }, (_, n) => userSays(`message ${n}`));

  it('asks for it in a form, says when it is wrong, and opens every page of the conversation', async () => {
    const url = await shared(messages, { password: 'right one' });
    const browser = new Browser();
    const asked = await browser.visit(`${url}?page=2`);
    expect([asked.status, asked.text]).toEqual([401, expect.stringContaining('<form method="post">')]);
    expect(asked.text).not.toMatch(/A title|message/);
    expectHarmless(asked);
    const wrong = await browser.visit(`${url}?page=2`, { password: '<b>wrong' });
    expect([wrong.status, wrong.text]).toEqual([401, expect.stringContaining('<span role="alert">Invalid password')]);
    const sent = await browser.visit(`${url}?page=2`, { password: 'right one' });
    expect([sent.status, sent.headers.get('location')]).toEqual([303, new URL(`${url}?page=2`).pathname + '?page=2']);
    expect(sent.headers.get('set-cookie')).toMatch(
      /^rh_share=[\w.-]+; Path=\/api\/v1\/sessions\/share\/[\w-]{64}; Expires=.*; HttpOnly; SameSite=Lax$/,
    );
    expect((await browser.visit(`${url}?page=2`)).text).toContain('<p>message 55</p>');
    expect((await browser.visit(url)).text).toContain('<p>message 1</p>');
    expect((await new Browser().visit(url)).status).toBe(401);
  });

  it('is not opened by what opens another one, by what is over, or by what somebody made up', async () => {
    const [url, other] = [await shared(messages, { password: 'p' }), await shared(messages, { password: 'p' })];
    const sent = await new Browser().visit(url, { password: 'p' });
    const [, pass = ''] = /rh_share=([^;]+)/.exec(sent.headers.get('set-cookie') ?? '') ?? [];
    const status = async (to: string, cookie: string): Promise<number> =>
      (await fetch(to, { headers: { cookie: `a=b; rh_share=${cookie}` } })).status;
    expect(await status(url, pass)).toBe(200);
    expect(await status(other, pass)).toBe(401);
    const [until, signature] = pass.split('.');
    for (const forged of [
      `${Number(until) + 1}.${signature}`,
      `1.${signature}`,
      `${until}.${'A'.repeat(43)}`,
      until!,
    ]) {
      expect(await status(url, forged)).toBe(401);
    }
  });
});
