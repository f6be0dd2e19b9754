import { Injectable } from '@nestjs/common';
import { EffectiveTier, StorageQuota } from '#accounts';
import { Clock, DomainError } from '#kernel';
import type { Principal } from '#platform';
import { isSessionId, sessionNotFound } from '../captured-session.js';
import { PushPlan } from '../sync/push-plan.js';
import { AutosyncRepository } from './autosync.repository.js';
import {
  DEBOUNCE,
  DEFAULT_SETTINGS,
  MAX_WATCHED,
  SYNC_MODES,
  type SyncCounts,
  type SyncMode,
  type SyncSettings,
  WATCH_STATUSES,
  type WatchedSession,
} from './autosync.js';

/** The settings with what a push of the same caller enforces, so that clients can leave out what would be refused. */
export interface SyncTerms extends SyncSettings {
  readonly maxMemberBytes: number;
}

export interface SyncOverview extends SyncCounts {
  readonly mode: SyncMode;
  /** Everything the account stores, as its quota counts it. */
  readonly accountBytes: number;
  /** Null for as much as it likes. */
  readonly limitBytes: number | null;
}

export interface Watchlist {
  readonly sessions: readonly WatchedSession[];
  readonly hasMore: boolean;
}

/** What clients push by themselves, and what they say of it (sessionfs-1.md §10). */
@Injectable()
export class AutosyncService {
  constructor(
    private readonly autosync: AutosyncRepository,
    private readonly plan: PushPlan,
    private readonly tiers: EffectiveTier,
    private readonly quota: StorageQuota,
    private readonly clock: Clock,
  ) {}

  async settings(caller: Principal): Promise<SyncTerms> {
    return this.withTerms(caller, (await this.autosync.findSettings(caller)) ?? DEFAULT_SETTINGS);
  }

  /**
   * Null seconds leave them as they are; others are brought into range. A plan without the feature is refused before a
   * mode that does not exist. Errors: `forbidden` (`upgrade_required`), `bad_request`.
   */
  async configure(caller: Principal, modeName: string, seconds: number | null): Promise<SyncTerms> {
    if (modeName !== 'off') await this.tiers.assertFeature(caller, 'autosync');
    const mode = SYNC_MODES.find((known) => known === modeName);
    if (!mode) throw new DomainError('bad_request', "Mode must be 'off', 'all', or 'selective'", { field: 'mode' });
    const debounce = seconds === null ? null : Math.min(DEBOUNCE.max, Math.max(DEBOUNCE.min, seconds));
    return this.withTerms(caller, await this.autosync.saveSettings(caller, mode, debounce, DEFAULT_SETTINGS));
  }

  /** The session need not have been pushed: its first push may be what it is watched for. Errors: `not_found`, `conflict`. */
  async watch(caller: Principal, sessionId: string): Promise<void> {
    if (!isSessionId(sessionId)) throw sessionNotFound();
    if (await this.autosync.watch(caller, sessionId)) return;
    throw new DomainError('conflict', `At most ${MAX_WATCHED} sessions can be watched`, { reason: 'watchlist_full' });
  }

  async unwatch(caller: Principal, sessionId: string): Promise<void> {
    if (isSessionId(sessionId)) await this.autosync.unwatch(caller, sessionId);
  }

  /** Notes how far a client has come; false when the session is not watched. Errors: `bad_request`. */
  async report(caller: Principal, sessionId: string, statusName: string): Promise<boolean> {
    const status = WATCH_STATUSES.find((known) => known === statusName);
    if (!status) throw new DomainError('bad_request', `Status must be one of: ${WATCH_STATUSES.join(', ')}`);
    return isSessionId(sessionId) && this.autosync.report(caller, sessionId, status, this.clock.date());
  }

  async watchlist(caller: Principal, beforeOrdinal: string | null, limit: number): Promise<Watchlist> {
    const rows = await this.autosync.list(caller, beforeOrdinal, limit);
    return { sessions: rows.slice(0, limit), hasMore: rows.length > limit };
  }

  async overview(caller: Principal): Promise<SyncOverview> {
    const settings = (await this.autosync.findSettings(caller)) ?? DEFAULT_SETTINGS;
    return {
      ...(await this.autosync.counts(caller)),
      mode: settings.mode,
      accountBytes: await this.quota.usedBy(caller.accountId),
      limitBytes: await this.quota.limitOf(caller),
    };
  }

  private async withTerms(caller: Principal, settings: SyncSettings): Promise<SyncTerms> {
    const { memberBytes } = await this.plan.limitsOf(caller);
    return { ...settings, maxMemberBytes: memberBytes };
  }
}
