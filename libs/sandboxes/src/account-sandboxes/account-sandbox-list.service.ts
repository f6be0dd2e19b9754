import { Injectable } from '@nestjs/common';
import type { Principal } from '#platform';
import type { FileTree } from '../workspace/file-tree.js';
import { AccountFilesService } from './account-files.service.js';
import { AccountHomesRepository, type SandboxPosition } from './account-homes.repository.js';
import { AccountHomesService, type AccountHomeView } from './account-homes.service.js';
import type { ListedAccountSandbox } from './account-sandbox.js';

export interface AccountSandboxQuery {
  readonly limit: number;
  readonly after: SandboxPosition | null;
  readonly wantsTree: boolean;
}

export interface AccountSandboxPage {
  readonly home: AccountHomeView;
  readonly sandboxes: readonly ListedAccountSandbox[];
  readonly hasMore: boolean;
  /** Of the current sandbox; null without one, and when it is not wanted. */
  readonly tree: FileTree | null;
}

/** What an account has in sandboxes, at one look (sandbox-sessions.md §A12.3). */
@Injectable()
export class AccountSandboxListService {
  constructor(
    private readonly homes: AccountHomesService,
    private readonly sandboxes: AccountHomesRepository,
    private readonly files: AccountFilesService,
  ) {}

  /** Newest first. */
  async list(caller: Principal, { limit, after, wantsTree }: AccountSandboxQuery): Promise<AccountSandboxPage> {
    const rows = await this.sandboxes.list(caller.accountId, limit + 1, after);
    return {
      home: await this.homes.get(caller),
      sandboxes: rows.slice(0, limit),
      hasMore: rows.length > limit,
      tree: wantsTree ? await this.files.currentTree(caller) : null,
    };
  }
}
