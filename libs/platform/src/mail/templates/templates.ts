import type { MailContent } from './content.js';
import { handoff, type HandoffFacts } from './handoff.js';
import { invite, type InviteFacts } from './invite.js';
import { verification, type VerificationFacts } from './verification.js';

/** Every mail the server sends, with what has to be known to write it. */
export interface MailFacts {
  verification: VerificationFacts;
  invite: InviteFacts;
  handoff: HandoffFacts;
}

export type MailTemplate = keyof MailFacts;

const TEMPLATES: { readonly [Name in MailTemplate]: (facts: MailFacts[Name], publicUrl: string) => MailContent } = {
  verification,
  invite,
  handoff,
};

export function renderMail<Name extends MailTemplate>(
  template: Name,
  facts: MailFacts[Name],
  publicUrl: string,
): MailContent {
  return TEMPLATES[template](facts, publicUrl);
}
