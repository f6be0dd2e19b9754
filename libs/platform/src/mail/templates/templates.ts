import type { MailContent } from './content.js';
import { handoff, type HandoffFacts } from './handoff.js';
import {
  handoffClaimed,
  handoffCommented,
  handoffDeclined,
  handoffRevoked,
  type HandoffNewsFacts,
} from './handoff-news.js';
import { invite, type InviteFacts } from './invite.js';
import { verification, type VerificationFacts } from './verification.js';

/** Every mail the server sends, with what has to be known to write it. */
export interface MailFacts {
  verification: VerificationFacts;
  invite: InviteFacts;
  handoff: HandoffFacts;
  handoff_claimed: HandoffNewsFacts;
  handoff_revoked: HandoffNewsFacts;
  handoff_declined: HandoffNewsFacts;
  handoff_commented: HandoffNewsFacts;
}

export type MailTemplate = keyof MailFacts;

const TEMPLATES: { readonly [Name in MailTemplate]: (facts: MailFacts[Name], publicUrl: string) => MailContent } = {
  verification,
  invite,
  handoff,
  handoff_claimed: handoffClaimed,
  handoff_revoked: handoffRevoked,
  handoff_declined: handoffDeclined,
  handoff_commented: handoffCommented,
};

export function renderMail<Name extends MailTemplate>(
  template: Name,
  facts: MailFacts[Name],
  publicUrl: string,
): MailContent {
  return TEMPLATES[template](facts, publicUrl);
}
