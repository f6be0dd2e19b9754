import { Injectable } from '@nestjs/common';
import type { Principal } from '#platform';
import type { CodingSession } from '../coding-sessions/coding-session.js';
import { CodingSessionsService } from '../coding-sessions/coding-sessions.service.js';
import { notInitialized } from '../lifecycle/life.js';
import { SandboxLifecycle } from '../lifecycle/sandbox-lifecycle.js';
import type { SandboxPlace } from '../provider/sandbox-provider.js';
import { sandboxUnavailable } from './sandbox-git.js';

/** A session whose sandbox is up, and where its commands run. */
export interface Workbench {
  readonly session: CodingSession;
  readonly place: SandboxPlace;
}

/** The guards of everything that is done in a session's checkout (sandbox-sessions.md §A11). */
@Injectable()
export class Workbenches {
  constructor(
    private readonly sessions: CodingSessionsService,
    private readonly lifecycle: SandboxLifecycle,
  ) {}

  /**
   * The sandbox stays up while `work` goes on. It is not resumed for it: that is for who asks for it. Errors:
   * `not_found`, `forbidden`; `bad_request` before the first start; `conflict` while it is not up.
   */
  async use<Result>(
    caller: Principal,
    sessionId: string,
    work: (workbench: Workbench) => Promise<Result>,
  ): Promise<Result> {
    const session = await this.sessions.get(caller, sessionId);
    if (session.state !== 'active') {
      const wasUp = Object.hasOwn(session.providerState, 'sandboxName');
      throw wasUp || session.state === 'archived' ? sandboxUnavailable() : notInitialized();
    }
    const { place, release } = await this.lifecycle.use(session);
    try {
      return await work({ session, place });
    } finally {
      release();
    }
  }
}
