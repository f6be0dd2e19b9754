import { Injectable } from '@nestjs/common';
import { Database } from '#platform';
import type { CapturedSession } from '../captured-session.js';
import type { GithubInstallation, GithubOptions } from './github-installation.js';
import type { PullRequest } from './pull-request.js';

interface InstallationRow extends Omit<GithubInstallation, 'options'>, GithubOptions {}

/** Of one pull request. */
const MAX_SESSIONS = 20;

type SessionName = Pick<CapturedSession, 'uid' | 'id' | 'accountId'>;

const COLUMNS = `id::text, account_login as "accountLogin", account_type as "accountType", user_id as "userId",
  auto_comment as "autoComment", include_trust_score as "includeTrustScore",
  include_session_links as "includeSessionLinks", created_at as "createdAt"`;

function toInstallation(row: InstallationRow): GithubInstallation {
  const { autoComment, includeTrustScore, includeSessionLinks, ...facts } = row;
  return { ...facts, options: { autoComment, includeTrustScore, includeSessionLinks } };
}

/** Every query on installations of the GitHub App. */
@Injectable()
export class GithubInstallationsRepository {
  constructor(private readonly db: Database) {}

  /** The one a person claimed last. */
  async findOf(userId: string): Promise<GithubInstallation | null> {
    const [row] = await this.db.query<InstallationRow>(
      `select ${COLUMNS} from github_installation where user_id = $1 order by claimed_at desc limit 1`,
      [userId],
    );
    return row ? toInstallation(row) : null;
  }

  /** Held until the transaction ends, so that of two claims one wins. */
  async findLocked(id: string): Promise<GithubInstallation | null> {
    const [row] = await this.db.query<InstallationRow>(
      `select ${COLUMNS} from github_installation where id = $1 for update`,
      [id],
    );
    return row ? toInstallation(row) : null;
  }

  async claim(id: string, userId: string, now: Date): Promise<void> {
    await this.db.query('update github_installation set user_id = $2, claimed_at = $3 where id = $1', [
      id,
      userId,
      now,
    ]);
  }

  async setOptions(id: string, options: GithubOptions): Promise<void> {
    await this.db.query(
      `update github_installation set auto_comment = $2, include_trust_score = $3, include_session_links = $4
        where id = $1`,
      [id, options.autoComment, options.includeTrustScore, options.includeSessionLinks],
    );
  }

  /** A repeated delivery changes the names only: neither the claim nor the time it may be made in. */
  async add(id: string, accountLogin: string, accountType: string, now: Date): Promise<void> {
    await this.db.query(
      `insert into github_installation (id, account_login, account_type, created_at) values ($1, $2, $3, $4)
       on conflict (id) do update set account_login = excluded.account_login, account_type = excluded.account_type`,
      [id, accountLogin, accountType, now],
    );
  }

  /**
   * The newest sessions that the person of the installation has captured on the branch, if that person wants something
   * done with them; none of an organisation they have left.
   */
  sessionsOf({ installationId, remotes, branch }: PullRequest): Promise<SessionName[]> {
    return this.db.query<SessionName>(
      `select s.uid, s.id, s.account_id as "accountId"
         from github_installation g join app_user u on u.id = g.user_id and u.is_active
         join session_settings t on t.user_id = u.id and 'on_pr' in (t.audit_trigger, t.summarize_trigger)
         join captured_session s on s.user_id = u.id and s.deleted_at is null
        where g.id = $1 and s.git_remote = any($2) and s.git_branch = $3
          and not exists (select from organisation o where o.account_id = s.account_id and not exists (
                select from org_member m where m.org_id = o.id and m.user_id = u.id))
        order by s.updated_at desc limit $4`,
      [installationId, remotes, branch, MAX_SESSIONS],
    );
  }

  async remove(id: string): Promise<void> {
    await this.db.query('delete from github_installation where id = $1', [id]);
  }
}
