import { AsyncLocalStorage } from 'node:async_hooks';
import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { AppConfig } from '../config/app-config.js';
import { type ClaimedMail, MailOutboxRepository } from './mail-outbox.repository.js';
import { describeMail } from './mail-settings.js';
import { MailRefused, MailTransport } from './mail-transport.js';
import { renderMail } from './templates/templates.js';

const POLL_MS = 1_000;
const AT_ONCE = 5;
/** One try, in all. Shorter than the lease it runs under. */
const TRY_MS = 120_000;
const SHUTDOWN_MS = 5_000;
const MINUTE = 60;
const HOUR = 3_600;
/** Waits between tries: eight tries within a day, then the mail has failed. */
const WAITS = [MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR];
const MAX_REASON = 500;

/**
 * Delivers what the outbox holds, in processes that run jobs. At least once: a process that dies between the mail
 * server's answer and the row leaves the mail to a second delivery, under the same Message-ID.
 */
@Injectable()
export class MailSender implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger(MailSender.name);
  private readonly stopping = new AbortController();
  private timer: NodeJS.Timeout | undefined;
  /** A delivery belongs to no request and joins no transaction. */
  private readonly outside = AsyncLocalStorage.snapshot();
  private running: Promise<void> | undefined;
  private isWoken = false;

  constructor(
    private readonly outbox: MailOutboxRepository,
    private readonly transport: MailTransport,
    private readonly config: AppConfig,
  ) {}

  onApplicationBootstrap(): void {
    if (this.config.APP_MODE === 'api') return;
    this.log.log({ msg: 'mail is delivered', how: describeMail(this.config) });
    this.timer = setInterval(() => this.wake(), POLL_MS).unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    this.timer = undefined;
    const impatience = setTimeout(() => this.stopping.abort(), SHUTDOWN_MS);
    await this.running;
    clearTimeout(impatience);
  }

  /** Looks for due mail at once instead of at the next poll. */
  wake(): void {
    if (!this.timer) return;
    this.isWoken = true;
    this.running ??= this.outside(() => this.work()).finally(() => (this.running = undefined));
  }

  private async work(): Promise<void> {
    while (this.isWoken && this.timer) {
      this.isWoken = false;
      try {
        const mails = await this.outbox.claim(AT_ONCE);
        await Promise.all(mails.map((mail) => this.send(mail)));
        if (mails.length === AT_ONCE) this.isWoken = true;
      } catch (error) {
        this.log.warn({
          msg: 'the outbox could not be read or written; the leases of claimed mail run out',
          err: error,
        });
      }
    }
  }

  private async send(mail: ClaimedMail): Promise<void> {
    let went: string;
    try {
      went = await this.deliver(mail);
    } catch (error) {
      return this.settleFailure(mail, error);
    }
    await this.outbox.markSent(mail, this.transport.kind);
    const facts = { mail: mail.id, template: mail.template };
    if (this.transport.kind === 'file') this.log.log({ msg: 'mail written', ...facts, path: went });
    else this.log.log({ msg: 'mail sent', ...facts, answer: went });
  }

  private deliver(mail: ClaimedMail): Promise<string> {
    const { id, template, recipient: to, createdAt } = mail;
    const content = renderMail(template, mail.facts, this.config.publicUrl);
    const signal = AbortSignal.any([this.stopping.signal, AbortSignal.timeout(TRY_MS)]);
    return this.transport.deliver({ ...content, id, template, to, createdAt }, signal);
  }

  private async settleFailure(mail: ClaimedMail, error: unknown): Promise<void> {
    const reason = (error instanceof Error ? error.message : String(error)).slice(0, MAX_REASON);
    const facts = { mail: mail.id, template: mail.template, attempts: mail.attempts, reason };
    const wait = error instanceof MailRefused ? undefined : WAITS[mail.attempts - 1];
    if (wait === undefined) {
      this.log.error({ msg: 'mail failed for good', ...facts });
      return this.outbox.markFailed(mail, reason);
    }
    this.log.warn({ msg: 'mail could not be sent; it is tried again', ...facts, seconds: wait });
    return this.outbox.tryLater(mail, this.stopping.signal.aborted ? 0 : wait, reason);
  }
}
