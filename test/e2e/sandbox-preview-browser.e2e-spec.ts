import type { Page } from 'playwright-core';
import { type Checkout, startCheckout } from '../support/checkouts.js';
import { signUp, type TestAccount } from '../support/client.js';
import { packageWith } from '../support/dev-servers.js';
import { closeBrowser, DISTANT_NAME, newPage, onAbleMachines, withBrowser } from '../support/real-browser.js';
import { startTestServer, type TestServer } from '../support/server.js';

/** As frameworks have it: modules by absolute paths, and news of changes by a WebSocket. */
const APP = {
  'app.html':
    '<!doctype html><title>live</title><link rel="icon" href="data:,"><h1></h1><script type="module" src="/main.js"></script>',
  'main.js': `
    const show = async () => { document.querySelector('h1').textContent = (await import('/words.js?' + Math.random())).words };
    const changes = new WebSocket('/changes');
    changes.onmessage = show;
    changes.onopen = show;
    changes.onclose = () => { document.title = 'cut off' };`,
  'words.js': "export const words = 'first words';",
  'simple.html':
    '<!doctype html><title>simple</title><link rel="icon" href="data:,"><h1></h1><script type="module" src="simple.js"></script>',
  'simple.js': "document.querySelector('h1').textContent = 'simple words';",
};

let server: TestServer;
let alice: TestAccount;

beforeAll(async () => {
  server = await startTestServer();
  alice = await signUp(server);
});

afterAll(async () => {
  await closeBrowser();
  await server.close();
});

/** What comes of a script in a page: a value, or the name of an error. */
const tried = (page: Page, script: string): Promise<unknown> =>
  page.evaluate(`(async () => { try { return await (${script}) } catch (error) { return error.name } })()`);

const heading = (page: Page, words: string): Promise<unknown> => page.waitForSelector(`h1:text-is("${words}")`);

onAbleMachines('a preview in a browser', () => {
  let checkout: Checkout;
  let address: string;

  const write = (files: Readonly<Record<string, string>>): Promise<unknown> =>
    alice.post(`/api/sandboxes/files?sandbox_id=${checkout.id}`, {
      files: Object.entries(files).map(([path, content]) => ({ path, content })),
    });

  /** On a page of the user's own. */
  async function open(path: string, name = '127.0.0.1'): Promise<Page> {
    const { page } = await newPage();
    await page.goto(`http://${name}:${new URL(server.url).port}${address}${path}`);
    return page;
  }

  beforeAll(async () => {
    checkout = await startCheckout(server, alice);
    await checkout.run(packageWith('.', { dev: 'exec perl server.pl' }));
    await write(APP);
    const { status, body } = await alice.post(`/api/sessions/${checkout.id}/dev-server`);
    expect(status).toBe(200);
    address = new URL((body as { url: string }).url).pathname;
  });

  it('has an origin of its own, and shows what is written by the file API in every tab, without loading anew', async () => {
    await write({ 'words.js': "export const words = 'words before';" });
    const page = await open('app.html');
    expect(page.url()).toMatch(/^http:\/\/[0-9a-f]{24}\.localhost:\d+\/app\.html$/);
    const second = await page.context().newPage();
    await second.goto(page.url());
    await Promise.all([page, second].map((tab) => heading(tab, 'words before')));
    await page.evaluate('window.stays = true');
    await write({ 'words.js': "export const words = 'words after';" });
    await Promise.all([page, second].map((tab) => heading(tab, 'words after')));
    expect(await page.evaluate('window.stays')).toBe(true);
  });

  it('keeps cookies and storage, follows redirects, and hears events', async () => {
    const page = await open('app.html');
    expect(await tried(page, "fetch('/one').then((answer) => answer.text())")).not.toContain('taste=oats');
    expect(await tried(page, "fetch('/two').then((answer) => answer.text())")).toContain('cookie: taste=oats');
    expect(await tried(page, 'document.cookie')).toBe('taste=oats');
    expect(await tried(page, "(localStorage.setItem('a', 'b'), localStorage.getItem('a'))")).toBe('b');
    expect(await tried(page, "fetch('/go').then((answer) => new URL(answer.url).pathname)")).toBe('/landed');
    const event = "new Promise((heard) => { new EventSource('/stream').onmessage = ({ data }) => heard(data) })";
    expect(await tried(page, event)).toBe('first');
  });

  it.each([['127.0.0.1'], [DISTANT_NAME]])(
    'reads nothing of the server’s own origin, shown by way of %s',
    async (name) => {
      const { page } = await newPage();
      const origin = `http://${name}:${new URL(server.url).port}`;
      await page.goto(`${origin}/api/openapi.json`);
      await page.evaluate("document.cookie = 'own=secret'; localStorage.setItem('own', 'secret')");
      await page.goto(`${origin}${address}simple.html`);
      await heading(page, 'simple words');
      expect(await tried(page, `fetch('${origin}/api/v1/auth/me', { credentials: 'include' })`)).toBe('TypeError');
      expect(await tried(page, `fetch('${origin}/v1/repos')`)).toBe('TypeError');
      expect(['', 'SecurityError']).toContain(await tried(page, 'document.cookie'));
      expect([null, 'SecurityError']).toContain(await tried(page, "localStorage.getItem('own')"));
      expect(await tried(page, "fetch('page').then((answer) => answer.text())")).not.toContain('secret');
      const frame = `new Promise((seen) => {
      const frame = Object.assign(document.createElement('iframe'), { src: '${origin}/api/docs' });
      frame.onload = () => seen(frame.contentDocument);
      document.body.append(frame);
    })`;
      expect(await tried(page, frame)).toBeNull();
    },
  );

  it('is of no origin where the browser is on another machine, and is shown all the same', async () => {
    const page = await open('simple.html', DISTANT_NAME);
    await heading(page, 'simple words');
    expect(await page.evaluate('origin')).toBe('null');
    expect(new URL(page.url()).hostname).toBe(DISTANT_NAME);
  });

  it('is nothing to who has no address of it', async () => {
    const { hostname, port } = new URL((await open('simple.html')).url());
    const { page } = await newPage();
    for (const path of ['', '?preview_token=zzzzzzzz.' + 'A'.repeat(43)]) {
      const answer = await page.goto(`http://${hostname}:${port}/${path}`);
      expect(answer?.status()).toBe(403);
    }
  });

  it('is cut off when it is stopped, and says so', async () => {
    const page = await open('app.html');
    await heading(page, 'words after');
    await alice.delete(`/api/sessions/${checkout.id}/dev-server`);
    await page.waitForFunction("document.title === 'cut off'");
    expect((await page.reload())?.status()).toBe(404);
    expect(await page.textContent('body')).toContain('The preview has ended');
  });
});

withBrowser('the API’s documentation in a browser', () => {
  it('shows the operations, and the browser has nothing to complain of', async () => {
    const { page, complaints } = await newPage();
    await page.goto(`${server.url}/api/docs`);
    await page.waitForSelector('.opblock');
    expect(complaints).toEqual([]);
  });
});
