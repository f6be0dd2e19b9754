/** Events of invites; subjects are the organisations. */
export const ORG_MEMBER_INVITED = 'organisation.member_invited';
export const ORG_INVITE_RESENT = 'organisation.invite_resent';
export const ORG_INVITE_REVOKED = 'organisation.invite_revoked';
export const ORG_INVITE_DECLINED = 'organisation.invite_declined';
export const ORG_MEMBER_JOINED = 'organisation.member_joined';
