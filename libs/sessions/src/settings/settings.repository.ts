import { Injectable } from '@nestjs/common';
import { Database } from '#platform';
import type { JudgeSettings } from '../models/judge-settings.js';

export const TRIGGERS = ['manual', 'on_sync', 'on_pr'] as const;
export type Trigger = (typeof TRIGGERS)[number];

export type TriggerName = 'audit' | 'summarize';

/** A person's GitLab. */
export interface GitlabSettings {
  readonly instanceUrl: string;
  readonly sealedToken: Buffer;
  readonly sealedWebhookSecret: Buffer;
}

/** Every query on what a person has set for sessions. */
@Injectable()
export class SettingsRepository {
  constructor(private readonly db: Database) {}

  async findTrigger(userId: string, name: TriggerName): Promise<Trigger> {
    const [row] = await this.db.query<{ trigger: Trigger }>(
      `select ${name}_trigger as trigger from session_settings where user_id = $1`,
      [userId],
    );
    return row?.trigger ?? 'manual';
  }

  async saveTrigger(userId: string, name: TriggerName, trigger: Trigger): Promise<void> {
    await this.db.query(
      `insert into session_settings (user_id, ${name}_trigger) values ($1, $2)
       on conflict (user_id) do update set ${name}_trigger = excluded.${name}_trigger`,
      [userId, trigger],
    );
  }

  /** With `hold`, the row stays as it is until the transaction ends. */
  async findJudge(userId: string, hold = false): Promise<JudgeSettings | null> {
    const [row] = await this.db.query<JudgeSettings>(
      `select provider, model, base_url as "baseUrl", sealed_key as "sealedKey" from judge_settings
        where user_id = $1 ${hold ? 'for update' : ''}`,
      [userId],
    );
    return row ?? null;
  }

  async saveJudge(userId: string, { provider, model, baseUrl, sealedKey }: JudgeSettings, now: Date): Promise<void> {
    await this.db.query(
      `insert into judge_settings (user_id, provider, model, base_url, sealed_key, updated_at)
       values ($1, $2, $3, $4, $5, $6)
       on conflict (user_id) do update set provider = excluded.provider, model = excluded.model,
         base_url = excluded.base_url, sealed_key = excluded.sealed_key, updated_at = excluded.updated_at`,
      [userId, provider, model, baseUrl, sealedKey, now],
    );
  }

  /** False when there was nothing. */
  async deleteJudge(userId: string): Promise<boolean> {
    const rows = await this.db.query('delete from judge_settings where user_id = $1 returning user_id', [userId]);
    return rows.length > 0;
  }

  async findGitlab(userId: string, hold = false): Promise<GitlabSettings | null> {
    const [row] = await this.db.query<GitlabSettings>(
      `select instance_url as "instanceUrl", sealed_token as "sealedToken",
              sealed_webhook_secret as "sealedWebhookSecret"
         from gitlab_settings where user_id = $1 ${hold ? 'for update' : ''}`,
      [userId],
    );
    return row ?? null;
  }

  async saveGitlab(userId: string, settings: GitlabSettings, now: Date): Promise<void> {
    await this.db.query(
      `insert into gitlab_settings (user_id, instance_url, sealed_token, sealed_webhook_secret, updated_at)
       values ($1, $2, $3, $4, $5)
       on conflict (user_id) do update set instance_url = excluded.instance_url, sealed_token = excluded.sealed_token,
         sealed_webhook_secret = excluded.sealed_webhook_secret, updated_at = excluded.updated_at`,
      [userId, settings.instanceUrl, settings.sealedToken, settings.sealedWebhookSecret, now],
    );
  }

  async deleteGitlab(userId: string): Promise<boolean> {
    const rows = await this.db.query('delete from gitlab_settings where user_id = $1 returning user_id', [userId]);
    return rows.length > 0;
  }
}
