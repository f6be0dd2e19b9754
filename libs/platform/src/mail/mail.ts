import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import { Database } from '../database/database.js';
import { type MailDelivery, MailOutboxRepository } from './mail-outbox.repository.js';
import { MailSender } from './mail-sender.js';
import { MailTransport } from './mail-transport.js';
import type { MailFacts, MailTemplate } from './templates/templates.js';

export const MAX_ADDRESS = 254;
export const ONE_ADDRESS = /^[^\p{Cc}\s<>,;:()[\]\\"@]+@[^\p{Cc}\s<>,;:()[\]\\"@]+$/u;

/** The way to send mail. Nothing waits for a mail server, and nothing is sent for what was rolled back. */
@Injectable()
export class Mail {
  constructor(
    private readonly db: Database,
    private readonly outbox: MailOutboxRepository,
    private readonly sender: MailSender,
    private readonly transport: MailTransport,
  ) {}

  /** False when mail is only written to DATA_DIR/mail, so that no address can be shown to be anybody's. */
  get reachesPeople(): boolean {
    return this.transport.kind === 'smtp';
  }

  /**
   * Promises a mail as part of the open transaction and answers its id: delivered after the commit, at least once,
   * tried for a day. Facts are stored until then and no longer. `origin` is on whose behalf it is sent. Errors:
   * `invalid_input` for what is not one address.
   */
  async send<Name extends MailTemplate>(
    template: Name,
    to: string,
    facts: MailFacts[Name],
    origin: string | null = null,
  ): Promise<string> {
    if (to.length > MAX_ADDRESS || !ONE_ADDRESS.test(to)) {
      throw new DomainError('invalid_input', 'email must be a valid address', { field: 'email' });
    }
    const id = randomUUID();
    await this.db.transaction(async (tx) => {
      await this.outbox.insert({ id, recipient: to, template, facts, origin });
      tx.afterCommit(() => this.sender.wake());
    });
    return id;
  }

  /** What became of a mail; null once it is withdrawn or forgotten, a month after it was settled. */
  async findDelivery(id: string): Promise<MailDelivery | null> {
    return (await this.findDeliveries([id])).get(id) ?? null;
  }

  /** As findDelivery, for several; what is not known is left out. */
  async findDeliveries(ids: readonly string[]): Promise<Map<string, MailDelivery>> {
    return new Map((await this.outbox.find(ids)).map((delivery) => [delivery.id, delivery]));
  }

  /** A mail that was overtaken is sent no more; one that is under way may still arrive. */
  async withdraw(id: string): Promise<void> {
    await this.outbox.remove(id);
  }

  /** Whether an address got, or somebody's behalf caused, as many mails of this kind within the hour as are bearable. */
  async isFlooding(
    template: MailTemplate,
    { to, origin }: { readonly to: string; readonly origin: string },
    perHour: { readonly to: number; readonly origin: number },
  ): Promise<boolean> {
    if ((await this.outbox.recentTo(to, template)).count >= perHour.to) return true;
    return (await this.outbox.recentFrom(origin, template)).count >= perHour.origin;
  }

  /** Refuses another mail of this kind to one address within the hour. Errors: `rate_limited` with Retry-After. */
  async assertNotFlooding(template: MailTemplate, to: string, perHour: number): Promise<void> {
    const { count, seconds } = await this.outbox.recentTo(to, template);
    if (count >= perHour) throw tooMany('Too many e-mails to this address. Try again later.', seconds);
  }

  /** Refuses another mail of this kind on somebody's behalf within the hour. Errors: `rate_limited` with Retry-After. */
  async assertOriginNotFlooding(template: MailTemplate, origin: string, perHour: number): Promise<void> {
    const { count, seconds } = await this.outbox.recentFrom(origin, template);
    if (count >= perHour) throw tooMany('Too many e-mails within the hour. Try again later.', seconds);
  }
}

function tooMany(message: string, seconds: number): DomainError {
  return new DomainError('rate_limited', message, { headers: { 'Retry-After': String(Math.max(1, seconds)) } });
}
