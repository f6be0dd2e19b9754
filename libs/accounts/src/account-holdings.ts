import { Injectable } from '@nestjs/common';

type Count = (accountId: string) => Promise<number>;

/** What accounts own in other libs, by its plural (`repositories`): an account that owns anything is not closed. */
@Injectable()
export class AccountHoldings {
  private readonly kinds = new Map<string, Count>();

  /** Called once per kind, at start, by the lib that owns it. */
  register(kind: string, count: Count): void {
    this.kinds.set(kind, count);
  }

  /** The kinds the account still owns something of, with how many. */
  async of(accountId: string): Promise<Record<string, number>> {
    const held: Record<string, number> = {};
    for (const [kind, count] of this.kinds) {
      const number = await count(accountId);
      if (number > 0) held[kind] = number;
    }
    return held;
  }
}
