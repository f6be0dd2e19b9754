import { Injectable } from '@nestjs/common';
import { Audit, Database, Events, type Principal } from '#platform';
import { AccountSlugs } from './account-slugs.service.js';
import { USER_PROFILE_CHANGED } from './accounts.events.js';
import { AccountsRepository } from './accounts.repository.js';
import { AccountsService } from './accounts.service.js';
import { UsersService } from './users.service.js';

/** What a change of one's profile names; absent members stay. */
export interface ProfileChange {
  readonly slug?: string;
  /** Null removes it. */
  readonly displayName?: string | null;
}

export interface Profile {
  readonly userId: string;
  readonly email: string;
  readonly displayName: string | null;
  readonly slug: string;
}

/** What people may change about themselves: their name and the slug of their personal account. */
@Injectable()
export class ProfileService {
  constructor(
    private readonly db: Database,
    private readonly users: UsersService,
    private readonly accounts: AccountsService,
    private readonly repository: AccountsRepository,
    private readonly slugs: AccountSlugs,
    private readonly events: Events,
    private readonly audit: Audit,
  ) {}

  /** Errors: `conflict` when the slug is reserved, taken or was another account's. */
  async change(caller: Principal, change: ProfileChange): Promise<Profile> {
    return this.db.transaction(async () => {
      const user = await this.users.get(caller.userId);
      if (change.displayName !== undefined && change.displayName !== user.displayName) {
        const subject = { accountId: user.accountId, kind: 'user', id: user.id };
        await this.repository.changeDisplayName(user.id, change.displayName);
        await this.events.record(USER_PROFILE_CHANGED, subject);
        await this.audit.record(caller, 'user.change_profile', subject);
      }
      if (change.slug !== undefined) await this.slugs.rename(caller, user.accountId, change.slug);
      const { slug } = await this.accounts.get(user.accountId);
      const displayName = change.displayName === undefined ? user.displayName : change.displayName;
      return { userId: user.id, email: user.email, displayName, slug };
    });
  }
}
