import { Injectable } from '@nestjs/common';
import { Database } from '#platform';
import type { GithubInstallation, GithubOptions } from './github-installation.js';

interface InstallationRow extends Omit<GithubInstallation, 'options'>, GithubOptions {}

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

  async remove(id: string): Promise<void> {
    await this.db.query('delete from github_installation where id = $1', [id]);
  }
}
