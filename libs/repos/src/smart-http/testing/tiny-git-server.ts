import { execFileSync } from 'node:child_process';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { DomainError } from '#kernel';
import type { GitRunner } from '../../runner/git-runner.js';
import { dropQuarantine, publishPacks } from '../../runner/quarantine.js';
import { advertiseRefs, advertiseV2, needsRefs } from '../advertisement.js';
import { protocolVersion, type AdvertisedRef, type GitService, type RefListing } from '../git-protocol.js';
import { checkPushCommands, compareWithCurrent } from '../push-commands.js';
import { readPushRequest } from '../receive-pack-request.js';
import { pushReport } from '../report-status.js';
import { inflatedBody } from '../request-body.js';
import { serveFetch } from '../serve-fetch.js';
import { takePush } from '../take-push.js';

/** The smallest server that can be built from the protocol code: repositories on disk, refs read from them. */
export class TinyGitServer {
  maxPushBytes = 32 * 1024 * 1024;
  /** Which refs callers see. */
  isVisible: (ref: string) => boolean = () => true;
  private readonly server: Server;

  constructor(
    private readonly root: string,
    private readonly runner: GitRunner,
  ) {
    this.server = createServer((request, response) => {
      this.handle(request, response).catch((error: unknown) => {
        // A client that is still sending reads no answer.
        request.resume();
        const failure = error instanceof DomainError ? error : new DomainError('internal', String(error));
        if (response.headersSent) response.destroy();
        else response.writeHead(failure.status, { 'Content-Type': 'text/plain' }).end(failure.message);
      });
    });
  }

  /** The base URL. */
  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  listing(repo: string): RefListing {
    const format = '%(objectname) %(refname) %(*objectname)';
    const lines = execFileSync('git', ['-C', repo, 'for-each-ref', `--format=${format}`], { encoding: 'utf8' });
    const refs: AdvertisedRef[] = [];
    for (const line of lines.split('\n').filter(Boolean)) {
      const [sha = '', name = '', peeled = ''] = line.split(' ');
      if (this.isVisible(name)) refs.push({ sha, name, peeled: peeled || null });
    }
    const head = execFileSync('git', ['-C', repo, 'symbolic-ref', 'HEAD'], { encoding: 'utf8' }).trim();
    return { refs, defaultBranch: head };
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const [, name = '', tail] = /^\/([\w-]+\.git)\/(.*)$/.exec(url.pathname) ?? [];
    const repo = join(this.root, name);
    const version = protocolVersion(request.headers['git-protocol'] as string | undefined);
    if (tail === 'info/refs') {
      const service = url.searchParams.get('service') as GitService;
      const body = needsRefs(service, version) ? advertiseRefs(service, version, this.listing(repo)) : advertiseV2();
      response.writeHead(200, { 'Content-Type': `application/x-${service}-advertisement` }).end(body);
      return;
    }
    if (tail === 'git-upload-pack') {
      const limited = this.isVisible('refs/heads/hidden') === false;
      const scope = { repo, listing: this.listing(repo), limited };
      const encoding = request.headers['content-encoding'];
      const reply = await serveFetch(this.runner, scope, request, { version, encoding });
      response.writeHead(200, { 'Content-Type': 'application/x-git-upload-pack-result' });
      await pipeline(reply, response);
      return;
    }
    const report = await this.push(repo, request);
    response.writeHead(200, { 'Content-Type': 'application/x-git-receive-pack-result' }).end(report);
  }

  private async push(repo: string, request: IncomingMessage): Promise<Buffer> {
    const push = await readPushRequest(inflatedBody(request, request.headers['content-encoding']));
    if (push.commands.length === 0) return Buffer.alloc(0);
    const { refs, defaultBranch } = this.listing(repo);
    const current = new Map(refs.map((ref) => [ref.name, ref.sha]));
    const commands = checkPushCommands(push.commands, { defaultBranch }).map((command) => ({
      ...command,
      refusal: command.refusal ?? compareWithCurrent(command, current.get(command.ref) ?? null),
    }));
    const scope = { repo, visibleTips: refs.map((ref) => ref.sha), maxBytes: this.maxPushBytes };
    const taken = await takePush(this.runner, scope, { request: push, commands });
    if (taken.quarantine !== null) await publishPacks(repo, taken.quarantine, taken.packs);
    if (taken.quarantine !== null) await dropQuarantine(repo, taken.quarantine);
    for (const { ref, newSha, kind, refusal } of taken.commands) {
      if (refusal !== null) continue;
      const args = kind === 'delete' ? ['update-ref', '-d', ref] : ['update-ref', ref, newSha];
      execFileSync('git', ['-C', repo, ...args]);
    }
    return pushReport({ unpackError: taken.unpackError, refs: taken.commands }, push.capabilities);
  }
}
