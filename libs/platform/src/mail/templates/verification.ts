import { compose, type MailContent } from './content.js';

export interface VerificationFacts {
  /** The one-time token of the link. */
  readonly token: string;
  readonly expiresAt: string;
}

/** Asks the owner of an address to show that it is theirs (sessionfs-1.md §3.3). */
export function verification(facts: VerificationFacts, publicUrl: string): MailContent {
  const url = `${publicUrl}/api/v1/auth/verify/${encodeURIComponent(facts.token)}`;
  return compose('Verify your e-mail address', [
    { kind: 'paragraph', text: `Somebody signed up at ${publicUrl} with this address. If it was you, verify it:` },
    { kind: 'link', label: 'Verify this address', url },
    { kind: 'paragraph', text: `The link works once, until ${facts.expiresAt}.` },
    { kind: 'paragraph', text: 'If it was not you, ignore this mail: without the link the address stays unverified.' },
  ]);
}
