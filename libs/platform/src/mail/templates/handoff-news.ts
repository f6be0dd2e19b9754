import { compose, cut, type MailBlock, type MailContent, oneLine } from './content.js';

/** What became of a handoff, told to the other party (sessionfs-1.md §9.9). */
export interface HandoffNewsFacts {
  /** Who did it. */
  readonly actor: string;
  /** Of the session. */
  readonly title: string;
  readonly handoffId: string;
  /** The reason given, or the comment; null when there is none. */
  readonly words: string | null;
}

const MAX_TITLE = 100;

const news =
  (did: string, command: string) =>
  (facts: HandoffNewsFacts): MailContent => {
    const title = cut(oneLine(facts.title), MAX_TITLE) || 'an untitled session';
    const quote: MailBlock[] = facts.words ? [{ kind: 'quote', text: facts.words }] : [];
    return compose(`${facts.actor} ${did}: ${title}`, [
      { kind: 'paragraph', text: `${facts.actor} ${did}: ${title}` },
      ...quote,
      { kind: 'paragraph', text: 'To look at it:' },
      { kind: 'command', text: `${command} ${facts.handoffId}` },
    ]);
  };

export const handoffClaimed = news('claimed your handoff', 'sfs handoffs events');
export const handoffRevoked = news('revoked a handoff to you', 'sfs handoffs events');
export const handoffDeclined = news('declined your handoff', 'sfs handoffs events');
export const handoffCommented = news('commented on a handoff', 'sfs handoffs comments');
