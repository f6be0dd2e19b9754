import { Injectable } from '@nestjs/common';
import {
  AccountsService,
  EffectiveTier,
  type HomeOrg,
  HomeOrgs,
  type LastClient,
  LastClients,
  type User,
  UsersService,
} from '#accounts';
import type { Principal, Tier } from '#platform';

/** What a person reads about themselves. */
export interface Profile {
  readonly user: User;
  /** Of their personal account. */
  readonly tier: Tier;
  /** What features are judged by (sessionfs-2.md §2.3). */
  readonly effectiveTier: Tier;
  readonly home: HomeOrg | null;
  readonly defaultOrgId: string | null;
  readonly lastClient: LastClient;
}

/** Who am I (sessionfs-1.md §3.4). */
@Injectable()
export class ProfileService {
  constructor(
    private readonly users: UsersService,
    private readonly accounts: AccountsService,
    private readonly tiers: EffectiveTier,
    private readonly homes: HomeOrgs,
    private readonly clients: LastClients,
  ) {}

  async of(caller: Principal): Promise<Profile> {
    const user = await this.users.get(caller.userId);
    const { tier } = await this.accounts.get(user.accountId);
    const effectiveTier = await this.tiers.of(caller);
    const home = await this.homes.find(caller);
    const defaultOrgId = await this.homes.findDefault(user.id);
    return { user, tier, effectiveTier, home, defaultOrgId, lastClient: await this.clients.find(user.id) };
  }
}
