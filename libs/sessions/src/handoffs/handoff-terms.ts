import { Injectable } from '@nestjs/common';
import { EffectiveTier, TeamMemberships, UsersService } from '#accounts';
import { Clock, DomainError, isUuid } from '#kernel';
import type { Principal } from '#platform';
import { DEFAULT_EXPIRY_HOURS, type Handoff, MAX_EXPIRY_HOURS, MAX_EXPIRY_HOURS_BELOW_ENTERPRISE } from './handoff.js';

/** To whom and for how long, as asked for; exactly one recipient. */
export interface WantedTerms {
  /** Trimmed, lowercase. */
  readonly email: string | null;
  readonly userId: string | null;
  readonly teamId: string | null;
  /** Null for the usual time. */
  readonly hours: number | null;
}

export type HandoffTermsGranted = Pick<
  Handoff,
  'kind' | 'recipientEmail' | 'recipientUserId' | 'recipientTeamId' | 'senderTier' | 'createdAt' | 'expiresAt'
> & { readonly hours: number };

const HOUR_MS = 3_600_000;

/** What a sender's plan and memberships let a handoff be. */
@Injectable()
export class HandoffTerms {
  constructor(
    private readonly users: UsersService,
    private readonly teams: TeamMemberships,
    private readonly tiers: EffectiveTier,
    private readonly clock: Clock,
  ) {}

  /** Errors: `forbidden` (`upgrade_required`) for teams. */
  async assertInPlan(caller: Principal, { teamId }: WantedTerms): Promise<void> {
    if (teamId !== null) await this.tiers.assertFeature(caller, 'team_handoff');
  }

  /** Inside the transaction that hands off. Errors: `not_found` for the recipient, `forbidden` for a foreign team. */
  async grant(caller: Principal, { email, userId, teamId, hours }: WantedTerms): Promise<HandoffTermsGranted> {
    if (teamId !== null) {
      await this.teams.assertMember(caller, teamId, 'Sender must be a member of the recipient team');
    }
    const recipient = userId === null ? null : isUuid(userId) ? await this.users.find(userId) : null;
    if (userId !== null && !recipient?.isActive) throw new DomainError('not_found', 'Recipient user not found');
    const tier = await this.tiers.of(caller);
    const most = tier === 'enterprise' ? MAX_EXPIRY_HOURS : MAX_EXPIRY_HOURS_BELOW_ENTERPRISE;
    const granted = Math.min(hours ?? DEFAULT_EXPIRY_HOURS, most);
    const createdAt = this.clock.date();
    return {
      kind: teamId === null ? 'individual' : 'team',
      recipientEmail: email,
      recipientUserId: recipient?.id ?? null,
      recipientTeamId: teamId,
      senderTier: tier,
      createdAt,
      expiresAt: new Date(createdAt.getTime() + granted * HOUR_MS),
      hours: granted,
    };
  }
}
