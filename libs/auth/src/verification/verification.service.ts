import { Injectable } from '@nestjs/common';
import { type User, UsersService } from '#accounts';
import { Clock, urlSafeId } from '#kernel';
import { Audit, Database, Events, Mail, type Principal } from '#platform';
import { Pepper } from '../keys/pepper.js';
import { VerificationRepository } from './verification.repository.js';

/** What became of a link: `invalid` is no link of ours, `unknown` one that a newer one replaced, or whose user is gone. */
export type VerificationOutcome = 'verified' | 'expired' | 'invalid' | 'unknown';

const TOKEN = /^vrf_[A-Za-z0-9_-]{32}$/;
const LIFE_MS = 24 * 3_600_000;
/** Links that are mailed to one address within an hour. */
const MAILS_PER_HOUR = 5;

/** Shows that an address is its user's: by a link that only its mailbox contains (sessionfs-1.md §3.3). */
@Injectable()
export class VerificationService {
  constructor(
    private readonly db: Database,
    private readonly links: VerificationRepository,
    private readonly users: UsersService,
    private readonly mail: Mail,
    private readonly pepper: Pepper,
    private readonly events: Events,
    private readonly audit: Audit,
    private readonly clock: Clock,
  ) {}

  /** Mails a link that lives a day; earlier ones are out of force. Belongs into the caller's transaction. */
  async mailLink(user: Pick<User, 'id' | 'email'>): Promise<void> {
    const token = `vrf_${urlSafeId(32)}`;
    const createdAt = this.clock.date();
    const expiresAt = new Date(createdAt.getTime() + LIFE_MS);
    await this.db.transaction(async () => {
      await this.links.put({
        ...{ userId: user.id, email: user.email, digest: this.pepper.digest(token) },
        ...{ createdAt, expiresAt },
      });
      await this.mail.send('verification', user.email, { token, expiresAt: expiresAt.toISOString() });
    });
  }

  /** False when there is nothing left to verify. Errors: `rate_limited` with Retry-After. */
  async resend(caller: Principal): Promise<boolean> {
    return this.db.transaction(async () => {
      const user = await this.users.get(caller.userId);
      if (user.emailVerified) return false;
      await this.mail.assertNotFlooding('verification', user.email, MAILS_PER_HOUR);
      await this.mailLink(user);
      return true;
    });
  }

  /** Following a link again, while it lives, changes nothing. */
  async verify(token: string): Promise<VerificationOutcome> {
    if (!TOKEN.test(token)) return 'invalid';
    return this.db.transaction(async () => {
      const link = await this.links.lockByDigest(this.pepper.digest(token));
      if (!link || link.email !== link.currentEmail) return 'unknown';
      if (link.expiresAt.getTime() <= this.clock.now()) return 'expired';
      if (link.isVerified) return 'verified';
      await this.links.setVerified(link.userId);
      const subject = { accountId: link.accountId, kind: 'user', id: link.userId };
      await this.events.record('user.verified', subject, { by: 'link' });
      await this.audit.record(null, 'user.verify_email', subject, { by: 'link' });
      return 'verified';
    });
  }
}
