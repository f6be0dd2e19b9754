import { createHash, timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { base62, Clock } from '#kernel';
import { Mail } from '#platform';
import type { Organisation } from '../organisations/organisation.js';
import type { Invite } from './invite.js';

const TOKEN_LENGTH = 32;
/** Invites that may be mailed to one address within an hour, by all organisations together. */
const PER_ADDRESS = 10;
/** And by one organisation; a larger one may fill its seats twice. Else inviting and revoking would mail the world. */
const PER_ORGANISATION = 100;

/** The mail of an invite, and what holding it proves. */
@Injectable()
export class InviteMails {
  constructor(
    private readonly mail: Mail,
    private readonly clock: Clock,
  ) {}

  /** False when mail is only written to a folder of the server. */
  get reachPeople(): boolean {
    return this.mail.reachesPeople;
  }

  /**
   * Queues the mail in the open transaction, and withdraws an earlier one that is still waiting. What it answers belongs
   * into the invite. Errors: `rate_limited` when the address was mailed, or the organisation mails, too often.
   */
  async queue(
    invite: Invite,
    org: Organisation,
    inviter: string,
  ): Promise<Pick<Invite, 'lastEmailedAt' | 'mailId' | 'tokenDigest'>> {
    await this.mail.assertNotFlooding('invite', invite.email, PER_ADDRESS);
    await this.mail.assertOriginNotFlooding('invite', org.id, Math.max(PER_ORGANISATION, 2 * org.seatsLimit));
    await this.withdraw(invite);
    const token = base62(TOKEN_LENGTH);
    const { id: inviteId, email, role } = invite;
    const facts = { inviteId, token, orgName: org.name, inviter, role, expiresAt: invite.expiresAt.toISOString() };
    const mailId = await this.mail.send('invite', email, facts, org.id);
    return { lastEmailedAt: this.clock.date(), mailId, tokenDigest: digestOf(token) };
  }

  async withdraw(invite: Pick<Invite, 'mailId'>): Promise<void> {
    if (invite.mailId !== null) await this.mail.withdraw(invite.mailId);
  }

  /**
   * True when the token can only come from a mail that a mail server took for the invited address. The invite's id shows
   * no such thing: admins see it, and anybody can be the admin of an organisation and sign up with a foreign address.
   */
  async provesAddress(invite: Invite, token: string | null): Promise<boolean> {
    if (token === null || invite.tokenDigest === null || invite.mailId === null) return false;
    if (!timingSafeEqual(digestOf(token), invite.tokenDigest)) return false;
    const delivery = await this.mail.findDelivery(invite.mailId);
    return delivery?.sentBy === 'smtp';
  }

  /** Per invite, what became of its last mail; null when that is not known any more. */
  async statesOf(invites: readonly Invite[]): Promise<(string | null)[]> {
    const deliveries = await this.mail.findDeliveries(invites.flatMap(({ mailId }) => mailId ?? []));
    return invites.map(({ mailId }) => (mailId === null ? null : (deliveries.get(mailId)?.state ?? null)));
  }
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
