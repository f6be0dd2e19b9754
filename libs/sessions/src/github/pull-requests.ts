import { Injectable } from '@nestjs/common';
import { Database, Events } from '#platform';
import type { JsonObject } from '../conversation/json.js';
import { SESSION_IN_PULL_REQUEST } from '../sessions.events.js';
import { GithubInstallationsRepository } from './github-installations.repository.js';
import { pullRequestOf } from './pull-request.js';

/** A pull request is there to be reviewed, or has changed. */
const ACTIONS: readonly unknown[] = ['opened', 'reopened', 'ready_for_review', 'synchronize'];

/** Says of captured sessions that a pull request is about them: who set `on_pr` has them audited and told then. */
@Injectable()
export class PullRequests {
  constructor(
    private readonly db: Database,
    private readonly installations: GithubInstallationsRepository,
    private readonly events: Events,
  ) {}

  /** Whether there are such sessions. Errors: `bad_request` for what GitHub does not send. */
  async note(delivery: JsonObject): Promise<boolean> {
    if (!ACTIONS.includes(delivery.action)) return false;
    const pull = pullRequestOf(delivery);
    return this.db.transaction(async () => {
      const sessions = await this.installations.sessionsOf(pull);
      for (const { uid, accountId, id } of sessions) {
        const facts = { session_id: id, repository: pull.remotes[0], number: pull.number };
        await this.events.record(SESSION_IN_PULL_REQUEST, { accountId, kind: 'session', id: uid }, facts);
      }
      return sessions.length > 0;
    });
  }
}
