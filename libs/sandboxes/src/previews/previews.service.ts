import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import { AppConfig, holdsScope, type Principal } from '#platform';
import { checkoutOf } from '../coding-sessions/checkout.js';
import { CodingSessionsService } from '../coding-sessions/coding-sessions.service.js';
import { hasRelayProgram, RELAY_PROGRAM } from '../egress/door-folder.js';
import { SandboxGit } from '../workbench/sandbox-git.js';
import { type Workbench, Workbenches } from '../workbench/workbenches.js';
import { WORKSPACE_INSIDE } from '../workspace/located.js';
import { choosePackage, LIST_PACKAGES } from './dev-package.js';
import { EDITOR_PORT, notOffered } from './preview.js';
import { PreviewAddresses } from './preview-addresses.js';
import { type PreviewCommand, PreviewServers } from './preview-servers.js';

export interface ShownServer {
  readonly url: string;
  readonly port: number;
}

export interface DevServer extends ShownServer {
  /** Of the checkout; `.` for its root. */
  readonly packagePath: string;
}

/** By the package manager; where the sandbox has none, as it would run it. */
const RUN = `
if command -v "$1" > /dev/null; then exec "$1" run "$2"; fi
PATH="$PWD/node_modules/.bin:$4/node_modules/.bin:$PATH"
export PATH
exec /bin/sh -c "$3"`;

/** Dev servers and the browser editor of a session (sandbox-sessions.md §A11.4). */
@Injectable()
export class PreviewsService {
  constructor(
    private readonly sessions: CodingSessionsService,
    private readonly workbenches: Workbenches,
    private readonly git: SandboxGit,
    private readonly servers: PreviewServers,
    private readonly addresses: PreviewAddresses,
    private readonly config: AppConfig,
  ) {}

  /**
   * The dev server that runs, or a new one of the package nearest to the root. Each call answers a fresh address. Errors:
   * those of Workbenches, SandboxGit and PreviewServers; `conflict` (`no_dev_script`), `not_implemented`.
   */
  async startDevServer(caller: Principal, sessionId: string): Promise<DevServer> {
    return this.workbenches.use(caller, sessionId, async (workbench) => {
      await assertReachable();
      const describe = (): Promise<PreviewCommand> => this.devCommand(workbench);
      const { id, port, packagePath } = await this.servers.start(caller, workbench, 'dev-server', describe);
      return { packagePath: packagePath ?? '.', port, url: this.addresses.of(id) };
    });
  }

  /** Null when none ran. Errors: `not_found`, `forbidden`. */
  async stopDevServer(caller: Principal, sessionId: string): Promise<Pick<DevServer, 'packagePath' | 'port'> | null> {
    const { id } = await this.sessions.get(caller, sessionId);
    const stopped = await this.servers.stop(id, 'dev-server');
    return stopped && { packagePath: stopped.packagePath ?? '.', port: stopped.port };
  }

  /** Null when none runs; without its address, which is a right to write, for who has none, and elsewhere. Errors: `not_found`, `forbidden`. */
  async findEditor(caller: Principal, sessionId: string): Promise<{ url: string | null; port: number } | null> {
    const { id } = await this.sessions.get(caller, sessionId);
    const shown = this.servers.shown(id, 'code-editor');
    const mayWrite = holdsScope(caller, 'sandboxes:write');
    if (shown) return { url: mayWrite ? this.addresses.of(shown.id) : null, port: shown.port };
    const elsewhere = await this.servers.find(id, 'code-editor');
    return elsewhere && { url: null, port: elsewhere.port };
  }

  /** The operator's editor. Errors: as `startDevServer`. */
  async startEditor(caller: Principal, sessionId: string): Promise<ShownServer> {
    await this.sessions.get(caller, sessionId);
    const { CODE_EDITOR_COMMAND: line } = this.config;
    if (line === undefined)
      throw notOffered('This server has no code editor: its operator sets CODE_EDITOR_COMMAND to offer one');
    return this.workbenches.use(caller, sessionId, async (workbench) => {
      await assertReachable();
      const argv = ['/bin/sh', '-c', line];
      const command = { argv, cwd: checkoutOf(workbench.place.scope), packagePath: null, port: EDITOR_PORT };
      const { id, port } = await this.servers.start(caller, workbench, 'code-editor', () => Promise.resolve(command));
      return { url: this.addresses.of(id), port };
    });
  }

  /** False when none ran. Errors: `not_found`, `forbidden`. */
  async stopEditor(caller: Principal, sessionId: string): Promise<boolean> {
    const { id } = await this.sessions.get(caller, sessionId);
    return (await this.servers.stop(id, 'code-editor')) !== null;
  }

  private async devCommand({ place }: Workbench): Promise<PreviewCommand> {
    const chosen = choosePackage(await this.git.parts(place, { script: LIST_PACKAGES }));
    if (!chosen)
      throw new DomainError('conflict', 'No package.json of the checkout has a dev or start script', {
        reason: 'no_dev_script',
      });
    const { path, manager, script, line, port } = chosen;
    const checkout = checkoutOf(place.scope);
    const cwd = path === '.' ? checkout : [...checkout, ...path.split('/')];
    const argv = ['/bin/sh', '-c', RUN, 'sh', manager, script, line, [WORKSPACE_INSIDE, ...checkout].join('/')];
    return { argv, cwd, packagePath: path, port };
  }
}

async function assertReachable(): Promise<void> {
  if (await hasRelayProgram()) return;
  throw notOffered(`This server cannot show what runs in a sandbox: it needs ${RELAY_PROGRAM}; install perl`);
}
