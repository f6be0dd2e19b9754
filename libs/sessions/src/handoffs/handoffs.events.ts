/** Events of handoffs; the subject is the handoff's id. Its own history names them by their last word. */
export const HANDOFF_CREATED = 'handoff.created';
export const HANDOFF_VIEWED = 'handoff.viewed';
export const HANDOFF_COMMENTED = 'handoff.commented';
export const HANDOFF_CLAIMED = 'handoff.claimed';
export const HANDOFF_REVOKED = 'handoff.revoked';
export const HANDOFF_DECLINED = 'handoff.declined';
export const HANDOFF_EXPIRED = 'handoff.expired';
