/** What the command line prints in place of a result, and exits with 1. */
export class SandboxCliFailure extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** What it prints: whatever the answer has. */
export type SandboxCliAnswer = any; // eslint-disable-line @typescript-eslint/no-explicit-any -- tests look into any answer

/**
 * A command line for sandboxes of an account, as it is seen from a server (sandbox-sessions.md §A12.3): its key goes in
 * `x-api-key`; any status that is not 2xx is a failure, and so is `status: "error"`; what it prints then is `error`, else
 * `message`. It knows nothing else of the server.
 */
export class SandboxCli {
  constructor(
    readonly url: string,
    readonly key: string,
  ) {}

  get(path: string): Promise<SandboxCliAnswer> {
    return this.call('GET', path);
  }

  post(path: string, body?: object): Promise<SandboxCliAnswer> {
    return this.call('POST', path, body);
  }

  patch(path: string, body: object): Promise<SandboxCliAnswer> {
    return this.call('PATCH', path, body);
  }

  delete(path: string): Promise<SandboxCliAnswer> {
    return this.call('DELETE', path);
  }

  /** A form of files. */
  async upload(
    path: string,
    files: Readonly<Record<string, string | Uint8Array>>,
    texts: Record<string, string> = {},
  ): Promise<SandboxCliAnswer> {
    const form = new FormData();
    for (const [name, text] of Object.entries(texts)) form.append(name, text);
    for (const [name, content] of Object.entries(files)) {
      const bytes = typeof content === 'string' ? content : new Uint8Array(content);
      form.append('files', new Blob([bytes]), name);
    }
    return this.answer(
      await fetch(this.url + path, { method: 'POST', body: form, headers: { 'x-api-key': this.key } }),
    );
  }

  private async call(method: string, path: string, body?: object): Promise<SandboxCliAnswer> {
    const headers = { 'x-api-key': this.key, 'Content-Type': 'application/json' };
    return this.answer(await fetch(this.url + path, { method, headers, ...(body && { body: JSON.stringify(body) }) }));
  }

  private async answer(response: Response): Promise<SandboxCliAnswer> {
    const data = (await response.json()) as { status?: string; error?: string; message?: string };
    if (!response.ok || data.status === 'error')
      throw new SandboxCliFailure(response.status, data.error ?? data.message ?? 'Unknown error');
    return data;
  }
}
