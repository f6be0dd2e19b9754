import { createHmac, timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import { AppConfig } from '#platform';
import { isJsonObject, type JsonObject, parseObject } from '../conversation/json.js';
import { GithubInstallationsRepository } from './github-installations.repository.js';
import { PullRequests } from './pull-requests.js';

export interface GithubDelivery {
  readonly body: Buffer;
  /** X-GitHub-Event. */
  readonly event: string | undefined;
  /** X-Hub-Signature-256. */
  readonly signature: string | undefined;
}

const ID = /^[1-9]\d{0,17}$/;

/** Takes in what GitHub tells of installations of the app, and of pull requests. */
@Injectable()
export class GithubWebhookService {
  constructor(
    private readonly config: AppConfig,
    private readonly installations: GithubInstallationsRepository,
    private readonly pulls: PullRequests,
    private readonly clock: Clock,
  ) {}

  /**
   * Whether the delivery was of interest. Idempotent. Errors: `not_found` (`github_not_configured`), `unauthorized`
   * for a wrong signature, `bad_request` for what GitHub does not send.
   */
  async receive({ body, event, signature }: GithubDelivery): Promise<boolean> {
    this.assertSigned(body, signature);
    const delivery = parseObject(body.toString());
    if (!delivery) throw new DomainError('bad_request', 'The delivery is not a JSON object');
    if (event === 'pull_request') return this.pulls.note(delivery);
    if (event !== 'installation') return false;
    const { id, login, type } = installationOf(delivery);
    if (delivery.action === 'created') await this.installations.add(id, login, type, this.clock.date());
    else if (delivery.action === 'deleted') await this.installations.remove(id);
    else return false;
    return true;
  }

  private assertSigned(body: Buffer, signature: string | undefined): void {
    const secret = this.config.GITHUB_WEBHOOK_SECRET;
    if (secret === undefined) {
      throw new DomainError('not_found', 'No secret for deliveries of GitHub is set', {
        reason: 'github_not_configured',
      });
    }
    const expected = Buffer.from(`sha256=${createHmac('sha256', secret).update(body).digest('hex')}`);
    const given = Buffer.from(signature ?? '');
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
      throw new DomainError('unauthorized', 'The signature is missing or wrong');
    }
  }
}

const isName = (value: unknown): value is string => typeof value === 'string' && /^[\x21-\x7e]{1,100}$/.test(value);

function installationOf({ installation }: JsonObject): { id: string; login: string; type: string } {
  const account = isJsonObject(installation) ? installation.account : undefined;
  if (isJsonObject(installation) && isJsonObject(account)) {
    const id = String(installation.id as unknown);
    const { login, type } = account;
    if (ID.test(id) && isName(login) && isName(type)) return { id, login, type };
  }
  throw new DomainError('bad_request', 'The delivery names no installation');
}
