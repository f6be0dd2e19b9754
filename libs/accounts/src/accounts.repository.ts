import { Injectable } from '@nestjs/common';
import { Database } from '#platform';
import type { Account, User } from './account.js';
import { AccountEntity, UserEntity } from './account.entity.js';

/** Every query on accounts and users. */
@Injectable()
export class AccountsRepository {
  constructor(private readonly db: Database) {}

  /** False when the slug is or was another account's, also by a creation that commits meanwhile. */
  async insertAccount(account: Account): Promise<boolean> {
    const rows = await this.db.query(
      `with claimed as (
         insert into account_slug (slug, account_id) values ($3, $1) on conflict do nothing returning slug
       )
       insert into account (id, kind, slug, tier) select $1, $2, slug, $4 from claimed returning id`,
      [account.id, account.kind, account.slug, account.tier],
    );
    return rows.length > 0;
  }

  /**
   * Gives the account another slug; false when that is or was another account's. A former one of its own may return.
   * The caller holds the account's lock.
   */
  async changeSlug(accountId: string, slug: string): Promise<boolean> {
    await this.db.query('insert into account_slug (slug, account_id) values ($1, $2) on conflict do nothing', [
      slug,
      accountId,
    ]);
    const rows = await this.db.query(
      `update account a set slug = s.slug from account_slug s
        where a.id = $2 and s.slug = $1 and s.account_id = a.id returning a.id`,
      [slug, accountId],
    );
    return rows.length > 0;
  }

  async countSlugs(accountId: string): Promise<number> {
    const [row] = await this.db.query<{ count: string }>('select count(*) from account_slug where account_id = $1', [
      accountId,
    ]);
    return Number(row?.count ?? 0);
  }

  /** The account with its row locked until the transaction ends: creations of what it owns wait as well. */
  lockAccount(id: string): Promise<Account | null> {
    return this.db.repo(AccountEntity).findOne({ where: { id }, lock: { mode: 'pessimistic_write' } });
  }

  async insertUser(user: User): Promise<void> {
    await this.db.repo(UserEntity).insert({ ...user });
  }

  findUser(id: string): Promise<User | null> {
    return this.db.repo(UserEntity).findOneBy({ id });
  }

  findUserByEmail(email: string): Promise<User | null> {
    return this.db.repo(UserEntity).findOneBy({ email });
  }

  async confirmEmail(userId: string): Promise<void> {
    await this.db.repo(UserEntity).update({ id: userId }, { emailVerified: true });
  }

  findAccount(id: string): Promise<Account | null> {
    return this.db.repo(AccountEntity).findOneBy({ id });
  }

  /** By its present slug or a former one. */
  async findAccountBySlug(slug: string): Promise<Account | null> {
    const [row] = await this.db.query<Account>(
      `select a.id, a.kind, a.slug, a.tier from account_slug s join account a on a.id = s.account_id where s.slug = $1`,
      [slug],
    );
    return row ?? null;
  }

  async changeDisplayName(userId: string, displayName: string | null): Promise<void> {
    await this.db.repo(UserEntity).update({ id: userId }, { displayName });
  }

  async hasAdmin(): Promise<boolean> {
    return this.db.repo(UserEntity).existsBy({ isAdmin: true });
  }

  /** Serialises first-start work across processes until the transaction ends. */
  async lockBootstrap(): Promise<void> {
    await this.db.query('select pg_advisory_xact_lock(7264002)');
  }
}
