import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Clock } from '#kernel';
import { Database, Outbound, type Principal, Sealed, type SealedFor } from '#platform';
import { namedAddress } from './named-address.js';
import { SettingsJournal } from './settings-journal.js';
import { SettingsRepository } from './settings.repository.js';

/** GitLab settings as they are shown. */
export interface ShownGitlabSettings {
  readonly instanceUrl: string;
  readonly hasToken: boolean;
  readonly hasWebhookSecret: boolean;
  /** In the answer that set it only. */
  readonly webhookSecret: string | null;
}

export interface NewGitlabSettings {
  readonly instanceUrl: string;
  readonly accessToken: string;
  /** Null keeps the stored one, or makes the first. */
  readonly webhookSecret: string | null;
}

export const GITLAB_COM = 'https://gitlab.com';
const UNSET = { instanceUrl: GITLAB_COM, hasToken: false, hasWebhookSecret: false, webhookSecret: null };
const SECRET_BYTES = 16;

const tokenOf = (userId: string): SealedFor => ({ purpose: 'GitLab token', owner: userId });
const webhookSecretOf = (userId: string): SealedFor => ({ purpose: 'GitLab webhook secret', owner: userId });

/** Which GitLab a person's merge requests are on (sessionfs-1.md §11). */
@Injectable()
export class GitlabSettingsService {
  constructor(
    private readonly db: Database,
    private readonly settings: SettingsRepository,
    private readonly sealed: Sealed,
    private readonly outbound: Outbound,
    private readonly journal: SettingsJournal,
    private readonly clock: Clock,
  ) {}

  async get({ userId }: Principal): Promise<ShownGitlabSettings> {
    const saved = await this.settings.findGitlab(userId);
    if (!saved) return UNSET;
    return {
      instanceUrl: saved.instanceUrl,
      hasToken: this.sealed.canOpen(saved.sealedToken, tokenOf(userId)),
      hasWebhookSecret: this.sealed.canOpen(saved.sealedWebhookSecret, webhookSecretOf(userId)),
      webhookSecret: null,
    };
  }

  /** Errors: `invalid_input` for an address that may not be called. */
  async save(caller: Principal, given: NewGitlabSettings): Promise<ShownGitlabSettings> {
    const { userId } = caller;
    const instanceUrl = await namedAddress(this.outbound, given.instanceUrl, 'instance_url');
    return this.db.transaction(async () => {
      const saved = await this.settings.findGitlab(userId, true);
      // One that nobody can read any more is replaced: to keep it would help no one.
      const kept = saved && this.sealed.canOpen(saved.sealedWebhookSecret, webhookSecretOf(userId)) ? saved : null;
      const made = given.webhookSecret ?? (kept ? null : randomBytes(SECRET_BYTES).toString('hex'));
      const sealedWebhookSecret =
        made === null ? kept!.sealedWebhookSecret : this.sealed.seal(made, webhookSecretOf(userId));
      const sealedToken = this.sealed.seal(given.accessToken, tokenOf(userId));
      await this.settings.saveGitlab(userId, { instanceUrl, sealedToken, sealedWebhookSecret }, this.clock.date());
      await this.journal.record(caller, 'gitlab', { instance_url: instanceUrl, webhook_secret_given: made !== null });
      return { instanceUrl, hasToken: true, hasWebhookSecret: true, webhookSecret: made };
    });
  }

  async clear(caller: Principal): Promise<void> {
    await this.db.transaction(async () => {
      const isGone = await this.settings.deleteGitlab(caller.userId);
      if (isGone) await this.journal.record(caller, 'gitlab', { deleted: true });
    });
  }
}
