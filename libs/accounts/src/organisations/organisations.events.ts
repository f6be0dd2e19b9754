/** Events of organisations; subjects are their ids. */
export const ORG_CREATED = 'organisation.created';
export const ORG_RENAMED = 'organisation.renamed';
export const ORG_DELETED = 'organisation.deleted';
export const ORG_SETTINGS_CHANGED = 'organisation.settings_changed';
export const ORG_MEMBER_ROLE_CHANGED = 'organisation.member_role_changed';
export const ORG_MEMBER_REMOVED = 'organisation.member_removed';
export const ORG_MEMBER_LEFT = 'organisation.member_left';
export const OWNER_TRANSFER_INITIATED = 'organisation.owner_transfer_initiated';
export const OWNER_TRANSFERRED = 'organisation.owner_transferred';
export const OWNER_TRANSFER_CANCELLED = 'organisation.owner_transfer_cancelled';
export const OWNER_TRANSFER_EXPIRED = 'organisation.owner_transfer_expired';
