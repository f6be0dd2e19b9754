interface Cookie {
  readonly name: string;
  readonly value: string;
  readonly path: string;
}

export interface Page {
  readonly url: string;
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

const MOST_REDIRECTS = 20;

/** A browser without scripts: cookies by path, redirects, an Accept header for pages. */
export class Browser {
  private cookies: Cookie[] = [];

  constructor(private readonly accept = 'text/html,application/xhtml+xml') {}

  /** One request, redirects not followed; the fields of a form are posted. */
  async visit(url: string, form?: Readonly<Record<string, string>>): Promise<Page> {
    const { pathname } = new URL(url);
    const cookie = this.cookies
      .filter(({ path }) => pathname === path || pathname.startsWith(path.replace(/\/?$/, '/')))
      .map(({ name, value }) => `${name}=${value}`)
      .join('; ');
    const headers = { accept: this.accept, ...(cookie !== '' && { cookie }) };
    const body = form && new URLSearchParams(form);
    const response = await fetch(url, { headers, redirect: 'manual', ...(body && { method: 'POST', body }) });
    for (const line of response.headers.getSetCookie()) this.keep(line);
    return { url, status: response.status, headers: response.headers, text: await response.text() };
  }

  /** Goes where it is sent, up to the first page, or the first address that `until` recognises. */
  async follow(url: string, until: (url: string) => boolean = () => false): Promise<Page> {
    for (let left = MOST_REDIRECTS; left > 0; left -= 1) {
      const page = await this.visit(url);
      const location = page.headers.get('location');
      if (location === null) return page;
      url = new URL(location, url).href;
      if (until(url)) return { ...page, url };
    }
    throw new Error(`sent around in circles: ${url}`);
  }

  forgetCookies(): void {
    this.cookies = [];
  }

  private keep(line: string): void {
    const [pair = '', ...attributes] = line.split(';').map((part) => part.trim());
    const at = pair.indexOf('=');
    const named = Object.fromEntries(
      attributes.map((attribute) => {
        const [key = '', value = ''] = attribute.split('=');
        return [key.toLowerCase(), value] as const;
      }),
    );
    const cookie = { name: pair.slice(0, at), value: pair.slice(at + 1), path: named['path'] ?? '/' };
    const isGone = cookie.value === '' || (named['expires'] && new Date(named['expires']) < new Date());
    this.cookies = this.cookies.filter(({ name, path }) => name !== cookie.name || path !== cookie.path);
    if (!isGone) this.cookies.push(cookie);
  }
}
