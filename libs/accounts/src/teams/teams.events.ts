/** Events of teams; subjects are their ids. */
export const TEAM_CREATED = 'team.created';
export const TEAM_RENAMED = 'team.renamed';
export const TEAM_DELETED = 'team.deleted';
export const TEAM_MEMBER_ADDED = 'team.member_added';
export const TEAM_MEMBER_REMOVED = 'team.member_removed';
