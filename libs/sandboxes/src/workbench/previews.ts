import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import type { Principal } from '#platform';
import { CodingSessionsService } from '../coding-sessions/coding-sessions.service.js';

/**
 * Dev servers and editors in a browser. Each command of a sandbox has a network of its own without a way in, and the
 * server publishes no port of one: an address that anybody may open is what this surface must not repeat
 * (sandbox-sessions.md §W1, rows 13 and 16). So none can be started, and none ever runs.
 */
@Injectable()
export class Previews {
  constructor(private readonly sessions: CodingSessionsService) {}

  /** Errors: `not_found`, `forbidden`; always `not_implemented` (`preview_not_available`) for one's own session. */
  async start(caller: Principal, sessionId: string, what: string): Promise<never> {
    await this.sessions.get(caller, sessionId);
    throw new DomainError(
      'not_implemented',
      `This server cannot show a ${what}: its sandboxes have no network that a browser could reach`,
      { reason: 'preview_not_available' },
    );
  }

  /** That nothing runs. Errors: `not_found`, `forbidden`. */
  async assertKnown(caller: Principal, sessionId: string): Promise<void> {
    await this.sessions.get(caller, sessionId);
  }
}
