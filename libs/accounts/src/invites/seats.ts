import { Injectable } from '@nestjs/common';
import { Clock } from '#kernel';
import { Memberships } from '../organisations/memberships.js';
import type { Organisation } from '../organisations/organisation.js';
import { seatLimit } from '../plan-gate.js';
import { InvitesRepository } from './invites.repository.js';

/** Who sits where: a pending invite holds a seat from the moment it is sent. Callers hold the lock of the organisation. */
@Injectable()
export class Seats {
  constructor(
    private readonly memberships: Memberships,
    private readonly invites: InvitesRepository,
    private readonly clock: Clock,
  ) {}

  /** One more seat may be promised, or taken by somebody without an invite. Errors: `forbidden` with `seat_limit`. */
  async assertUnreserved(org: Organisation): Promise<void> {
    const members = await this.memberships.countIn(org.id);
    const pending = await this.invites.countPending(org.id, this.clock.date());
    if (members + pending >= org.seatsLimit) throw seatLimit(members + pending, org.seatsLimit);
  }

  /**
   * A promised seat may be taken: it may be gone, because the limit was lowered meanwhile. First come, first served
   * then. Errors: `forbidden` with `seat_limit`.
   */
  async assertVacant(org: Organisation): Promise<void> {
    const members = await this.memberships.countIn(org.id);
    if (members >= org.seatsLimit) throw seatLimit(members, org.seatsLimit);
  }
}
