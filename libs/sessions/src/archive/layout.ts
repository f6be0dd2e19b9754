/** The members that mean something to the server. */
export const KNOWN_MEMBERS = {
  'manifest.json': 'manifest',
  'messages.jsonl': 'messages',
  'workspace.json': 'workspace',
  'tools.json': 'tools',
} as const;

export type MemberRole = (typeof KNOWN_MEMBERS)[keyof typeof KNOWN_MEMBERS];

export interface Placement {
  /** What the member is, or null when it is none of the known ones or does not lie where they count. */
  readonly role: MemberRole | null;
  /** What was taken from a top folder so far counts no more: the archive is not inside one folder after all. */
  readonly forgetsEarlier: boolean;
}

/** Folders of the format itself: an archive of nothing but checkpoints has no conversation of its own. */
const INNER_FOLDERS = new Set(['checkpoints', 'context']);

/**
 * Decides, member by member in the order of the archive, which of them count: those at the root, or those in the one
 * folder that everything lies in; never copies such as `checkpoints/<name>/messages.jsonl` (sessionfs-1.md §7.4).
 */
export class Layout {
  /** Where everything lay so far: a folder's name, `''` for the root, null before the first member. */
  private top: string | null = null;
  private readonly taken = new Set<MemberRole>();

  place(path: string): Placement {
    const [first = '', ...rest] = path.split('/');
    const top = rest.length === 0 || INNER_FOLDERS.has(first) ? '' : first;
    const isMixed = this.top !== null && this.top !== top;
    const forgetsEarlier = isMixed && this.top !== '' && this.taken.size > 0;
    if (forgetsEarlier) this.taken.clear();
    this.top = this.top === null || this.top === top ? top : '';
    const name = this.top === '' ? path : rest.join('/');
    const role = Object.hasOwn(KNOWN_MEMBERS, name) ? KNOWN_MEMBERS[name as keyof typeof KNOWN_MEMBERS] : null;
    if (role !== null) this.taken.add(role);
    return { role, forgetsEarlier };
  }
}
