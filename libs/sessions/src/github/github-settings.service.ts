import { Injectable } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import { Database, type Principal } from '#platform';
import { SettingsJournal } from '../settings/settings-journal.js';
import { CLAIM_MINUTES, DEFAULT_OPTIONS, type GithubInstallation, type GithubOptions } from './github-installation.js';
import { GithubInstallationsRepository } from './github-installations.repository.js';

export interface ShownGithubSettings {
  readonly installation: GithubInstallation | null;
  readonly options: GithubOptions;
}

/** A person's installation of the GitHub App: claims it and sets what it says (sessionfs-1.md §11). */
@Injectable()
export class GithubSettingsService {
  constructor(
    private readonly db: Database,
    private readonly installations: GithubInstallationsRepository,
    private readonly journal: SettingsJournal,
    private readonly clock: Clock,
  ) {}

  async get({ userId }: Principal): Promise<ShownGithubSettings> {
    const installation = await this.installations.findOf(userId);
    return { installation, options: installation?.options ?? DEFAULT_OPTIONS };
  }

  /**
   * Sets what is given, for the installation named or else the person's own. Without either nothing is stored. Errors:
   * `not_found` for an installation GitHub has not told of, `forbidden` when it is somebody else's, `gone` when the time
   * to claim it has passed.
   */
  save(caller: Principal, id: string | null, given: Partial<GithubOptions>): Promise<ShownGithubSettings> {
    return this.db.transaction(async () => {
      const installation =
        id === null ? await this.installations.findOf(caller.userId) : await this.claimed(caller, id);
      const options = { ...(installation?.options ?? DEFAULT_OPTIONS), ...given };
      if (!installation) return { installation: null, options };
      await this.installations.setOptions(installation.id, options);
      await this.journal.record(caller, 'github', { installation_id: installation.id, ...options });
      return { installation, options };
    });
  }

  private async claimed(caller: Principal, id: string): Promise<GithubInstallation> {
    const installation = await this.installations.findLocked(id);
    if (!installation) {
      const how = 'Install the GitHub App first; GitHub tells this server of it within a moment';
      throw new DomainError('not_found', `Installation ${id} is not known. ${how}.`, { field: 'installation_id' });
    }
    if (installation.userId === caller.userId) return installation;
    if (installation.userId !== null) throw new DomainError('forbidden', 'Installation already claimed');
    const now = this.clock.date();
    if (now.getTime() - installation.createdAt.getTime() > CLAIM_MINUTES * 60_000) {
      throw new DomainError('gone', 'The time to claim this installation has passed: install the GitHub App again');
    }
    await this.installations.claim(id, caller.userId, now);
    return { ...installation, userId: caller.userId };
  }
}
