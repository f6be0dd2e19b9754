import { Injectable } from '@nestjs/common';
import { Database } from '#platform';
import type { Account, User } from './account.js';
import { AccountEntity, UserEntity } from './account.entity.js';

/** Every query on accounts and users. */
@Injectable()
export class AccountsRepository {
  constructor(private readonly db: Database) {}

  /** False when the slug is taken, also by a creation that commits meanwhile. */
  async insertAccount(account: Account): Promise<boolean> {
    const rows = await this.db.query(
      `insert into account (id, kind, slug, tier) values ($1, $2, $3, $4) on conflict (slug) do nothing returning id`,
      [account.id, account.kind, account.slug, account.tier],
    );
    return rows.length > 0;
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

  findAccount(id: string): Promise<Account | null> {
    return this.db.repo(AccountEntity).findOneBy({ id });
  }

  findAccountBySlug(slug: string): Promise<Account | null> {
    return this.db.repo(AccountEntity).findOneBy({ slug });
  }

  async hasAdmin(): Promise<boolean> {
    return this.db.repo(UserEntity).existsBy({ isAdmin: true });
  }

  /** Serialises first-start work across processes until the transaction ends. */
  async lockBootstrap(): Promise<void> {
    await this.db.query('select pg_advisory_xact_lock(7264002)');
  }
}
