import { randomBytes } from 'node:crypto';

export interface Namesake {
  readonly displayName: string | null;
  readonly userName: string;
}

/**
 * A branch of the session's own: initials of its user and eight hexadecimal digits, `^[a-z0-9]{1,2}/[0-9a-f]{8}$`
 * (sandbox-sessions.md §A6.4). The remote may have it already; whoever creates it finds out.
 */
export function newBranchName(user: Namesake): string {
  return `${initialsOf(user)}/${randomBytes(4).toString('hex')}`;
}

function initialsOf({ displayName, userName }: Namesake): string {
  const words = plain(displayName ?? '').split(' ');
  const initials = words.map((word) => word.replace(/[^a-z0-9]/g, '').charAt(0)).join('');
  return (
    initials.slice(0, 2) ||
    plain(userName)
      .replace(/[^a-z0-9]/g, '')
      .slice(0, 2) ||
    'nb'
  );
}

/** Lowercase, and letters without their accents: `Émile` is `emile`. */
function plain(text: string): string {
  return text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
}
