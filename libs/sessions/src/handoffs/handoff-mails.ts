import { Injectable } from '@nestjs/common';
import { UsersService } from '#accounts';
import { Mail, type MailFacts, type MailTemplate, type Principal } from '#platform';
import type { CapturedSession } from '../captured-session.js';
import type { Handoff } from './handoff.js';

/** Mails of one kind within an hour; beyond, handoffs go on without: the inbox shows them all the same. */
const PER_HOUR = { to: 30, origin: 100 };

type News = 'handoff_claimed' | 'handoff_revoked' | 'handoff_declined' | 'handoff_commented';

/** Who of a handoff's parties is mailed what (sessionfs-1.md §9.9), as part of the open transaction. */
@Injectable()
export class HandoffMails {
  constructor(
    private readonly mail: Mail,
    private readonly users: UsersService,
  ) {}

  /** To the address it was handed to; teams and people named by their id find it in their inbox. */
  async handedOff(handoff: Handoff, { gitRemote, gitBranch }: CapturedSession): Promise<void> {
    if (handoff.recipientEmail === null) return;
    await this.send('handoff', handoff.recipientEmail, handoff.senderId, {
      sender: handoff.senderEmail,
      title: handoff.sessionTitle ?? '',
      pullCommand: `sfs pull-handoff ${handoff.id}`,
      path: `/api/v1/handoffs/${handoff.id}/summary`,
      tool: handoff.sessionTool,
      model: handoff.sessionModelId,
      messages: handoff.sessionMessageCount,
      tokens: handoff.sessionTotalTokens,
      gitRemote,
      gitBranch,
      message: handoff.message,
      expiresAt: handoff.expiresAt.toISOString(),
    });
  }

  /** Something the recipient did, to the sender. */
  toSender(actor: Principal, template: News, handoff: Handoff, words: string | null = null): Promise<void> {
    return this.tell(actor, template, handoff.senderEmail, handoff, words);
  }

  /** Something the sender did, to the address it was handed to, if it was to one. */
  async toRecipient(actor: Principal, template: News, handoff: Handoff, words: string): Promise<void> {
    if (handoff.recipientEmail !== null) await this.tell(actor, template, handoff.recipientEmail, handoff, words);
  }

  private async tell(
    actor: Principal,
    template: News,
    to: string,
    { id, sessionTitle }: Handoff,
    words: string | null,
  ): Promise<void> {
    const { email } = await this.users.get(actor.userId);
    if (email !== to) {
      await this.send(template, to, actor.userId, { actor: email, title: sessionTitle ?? '', handoffId: id, words });
    }
  }

  private async send<Name extends MailTemplate>(
    template: Name,
    to: string,
    origin: string,
    facts: MailFacts[Name],
  ): Promise<void> {
    if (await this.mail.isFlooding(template, { to, origin }, PER_HOUR)) return;
    await this.mail.send(template, to, facts, origin);
  }
}
