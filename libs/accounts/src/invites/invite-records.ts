import { Injectable } from '@nestjs/common';
import { Clock } from '#kernel';
import { Audit, type Principal } from '#platform';
import type { User } from '../account.js';
import type { Organisation } from '../organisations/organisation.js';
import { OrgJournal } from '../organisations/org-journal.js';
import type { Invite } from './invite.js';
import { ORG_INVITE_DECLINED, ORG_MEMBER_JOINED } from './invites.events.js';

/** What is written down about answers, and their time. */
@Injectable()
export class InviteRecords {
  constructor(
    private readonly journal: OrgJournal,
    private readonly audit: Audit,
    private readonly clock: Clock,
  ) {}

  now(): Date {
    return this.clock.date();
  }

  joined(caller: Principal, org: Organisation, { id, role }: Invite): Promise<void> {
    return this.journal.record(caller, ORG_MEMBER_JOINED, org, { user_id: caller.userId, role, invite_id: id });
  }

  declined(caller: Principal, org: Organisation, { id }: Invite, reason: string | null): Promise<void> {
    return this.journal.record(caller, ORG_INVITE_DECLINED, org, { user_id: caller.userId, invite_id: id, reason });
  }

  verified(caller: Principal, user: User): Promise<void> {
    const subject = { accountId: user.accountId, kind: 'user', id: user.id };
    return this.audit.record(caller, 'user.verify_email', subject, { by: 'invite' });
  }
}
