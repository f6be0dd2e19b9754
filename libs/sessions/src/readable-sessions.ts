import { Injectable } from '@nestjs/common';
import { Clock } from '#kernel';
import type { Principal } from '#platform';
import { HandoffParties } from './handoffs/handoff-parties.js';

const HANDED_OVER = `select h.session_uid as uid from handoff h
  where h.status = 'pending' and h.expires_at > $6 and h.session_uid is not null
    and (h.recipient_user_id = $3 or h.recipient_email = $4 or h.recipient_team_id = any($5))`;

/** `$1` to `$6` of a query: account, person, whom handoffs may name, and the time. */
export type ReaderParameters = readonly unknown[];

/**
 * Which sessions a caller may read besides what is in the trash: their own, those of the account acted for that are
 * shown to all of it, and for people those handed to them until they take them or the handoff ends. The one place that
 * says so, for queries over many sessions, whose first parameters are those of `parametersOf`.
 */
@Injectable()
export class ReadableSessions {
  /** SQL: uids of sessions of anybody that were handed to the caller. */
  static readonly handedOver = HANDED_OVER;

  /** SQL: whether row `s` of captured_session may be read. `$1` is the account, `$2` the person. */
  static readonly predicate = `s.deleted_at is null
    and ((s.account_id = $1 and (s.user_id = $2 or s.visibility = 'org')) or s.uid in (${HANDED_OVER}))`;

  constructor(
    private readonly parties: HandoffParties,
    private readonly clock: Clock,
  ) {}

  async parametersOf(caller: Principal): Promise<ReaderParameters> {
    const { accountId, userId, kind } = caller;
    if (kind !== 'user_key') return [accountId, userId, null, null, null, this.clock.date()];
    const { verifiedEmail, teamIds } = await this.parties.identityOf(caller);
    return [accountId, userId, userId, verifiedEmail, teamIds, this.clock.date()];
  }
}
