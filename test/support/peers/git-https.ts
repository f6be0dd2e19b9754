import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { LOCALHOST } from './localhost-certificate.js';

const run = promisify(execFile);
const AUTHOR = { GIT_AUTHOR_NAME: 'peer', GIT_AUTHOR_EMAIL: 'peer@test' };
const COMMITTER = { GIT_COMMITTER_NAME: 'peer', GIT_COMMITTER_EMAIL: 'peer@test', GIT_CONFIG_NOSYSTEM: '1' };

/** Files of a commit by path. */
export type PeerCommit = Readonly<Record<string, string | Buffer>>;

/**
 * A git server over https on a loopback port: git's own http-backend behind Node's server, for reading. What stands before
 * the repository in an address says how it behaves: `/open/` serves everybody, `/private/` asks for the password `secret`
 * of `git`, `/moved/` points to `movedTo`, `/stalled/` stops in the middle of a pack and keeps the connection, `/dying/`
 * breaks it off there.
 */
export class GitHttpsPeer {
  /** `METHOD path` of everything that came. */
  readonly requests: string[] = [];
  /** How many packs it has stopped in the middle of. */
  stalled = 0;
  /** Where `/moved/` points, in place of this server. */
  movedTo = '';

  private constructor(
    private readonly server: Server,
    private readonly root: string,
  ) {}

  static async start(certificate: { readonly key: string; readonly cert: string } = LOCALHOST): Promise<GitHttpsPeer> {
    const root = await mkdtemp(join(tmpdir(), 'git-https-'));
    const peer = new GitHttpsPeer(createServer(certificate), root);
    peer.server.on('request', (request, response) => peer.handle(request, response));
    peer.server.listen(0, '127.0.0.1');
    await once(peer.server, 'listening');
    return peer;
  }

  get host(): string {
    return `localhost:${(this.server.address() as AddressInfo).port}`;
  }

  get origin(): string {
    return `https://${this.host}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
    await rm(this.root, { recursive: true, force: true });
  }

  /** A repository whose `branch` has these commits. */
  async repository(name: string, commits: readonly PeerCommit[], branch = 'main'): Promise<void> {
    const work = await mkdtemp(join(this.root, 'work-'));
    const git = (...args: string[]): Promise<unknown> =>
      run('git', ['-C', work, ...args], { env: { ...process.env, ...AUTHOR, ...COMMITTER } });
    await git('init', '-q', `--initial-branch=${branch}`);
    for (const [index, files] of commits.entries()) {
      for (const [path, content] of Object.entries(files)) await writeFile(join(work, path), content);
      await git('add', '-A');
      await git('commit', '-q', '-m', `commit ${index + 1}`);
    }
    await run('git', ['clone', '-q', '--bare', work, join(this.root, `${name}.git`)]);
    await rm(work, { recursive: true });
  }

  private handle(request: IncomingMessage, response: ServerResponse): void {
    const [path = '', query = ''] = (request.url ?? '').split('?');
    this.requests.push(`${request.method} ${path}`);
    const [, mode, rest] = /^\/(open|private|moved|stalled|dying)(\/.*)$/.exec(path) ?? [];
    if (!mode || !rest) return void response.writeHead(404).end();
    if (mode === 'moved') return void response.writeHead(302, { Location: `${this.movedTo}${request.url}` }).end();
    const right = `Basic ${Buffer.from('git:secret').toString('base64')}`;
    if (mode === 'private' && request.headers.authorization !== right)
      return void response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="git"' }).end();
    const isPack = rest.endsWith('/git-upload-pack');
    void this.backend(request, response, { path: rest, query }, isPack && mode !== 'open' ? mode : null);
  }

  private async backend(
    request: IncomingMessage,
    response: ServerResponse,
    { path, query }: { path: string; query: string },
    trouble: string | null,
  ): Promise<void> {
    const { headers, method } = request;
    const backend = spawn('git', ['http-backend'], {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: {
        PATH: process.env['PATH'],
        GIT_PROJECT_ROOT: this.root,
        GIT_HTTP_EXPORT_ALL: '1',
        GIT_CONFIG_NOSYSTEM: '1',
        REQUEST_METHOD: method,
        PATH_INFO: path,
        QUERY_STRING: query,
        CONTENT_TYPE: headers['content-type'] ?? '',
        HTTP_CONTENT_ENCODING: headers['content-encoding'] ?? '',
        GIT_PROTOCOL: String(headers['git-protocol'] ?? ''),
      },
    });
    backend.stdin.on('error', () => undefined);
    request.pipe(backend.stdin);
    if ((await answer(backend.stdout, response, trouble)) === 'stalled') this.stalled += 1;
  }
}

/** As CGI has it: headers, an empty line, the body. With trouble a pack comes to no end. */
async function answer(output: Readable, response: ServerResponse, trouble: string | null): Promise<string | null> {
  let head = Buffer.alloc(0);
  let sent = 0;
  for await (const chunk of output as AsyncIterable<Buffer>) {
    let body = chunk;
    if (!response.headersSent) {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) continue;
      const lines = head.subarray(0, end).toString().split('\r\n');
      const fields = lines.map((line) => line.split(/: ?/, 2) as [string, string]);
      const status = fields.find(([name]) => name === 'Status')?.[1] ?? '200';
      response.writeHead(Number.parseInt(status, 10), Object.fromEntries(fields.filter(([name]) => name !== 'Status')));
      body = head.subarray(end + 4);
    }
    sent += body.length;
    response.write(body);
    // The pack itself has begun; what came before were sections of the protocol.
    if (trouble === null || sent <= 100_000) continue;
    if (trouble === 'dying') response.destroy();
    return trouble;
  }
  response.end();
  return null;
}
