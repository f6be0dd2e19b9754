import { compose, cut, type MailContent, oneLine } from './content.js';

export interface HandoffFacts {
  readonly sender: string;
  readonly title: string;
  /** What the recipient types to take the session over. */
  readonly pullCommand: string;
  /** Path of the handoff below PUBLIC_URL, with its leading slash. */
  readonly path: string;
  readonly tool: string | null;
  readonly model: string | null;
  readonly messages: number | null;
  readonly tokens: number | null;
  readonly gitRemote: string | null;
  readonly gitBranch: string | null;
  readonly message: string | null;
  readonly expiresAt: string | null;
}

const MAX_TITLE = 100;

/** Tells the recipient of a handoff what was handed over, and how to take it (sessionfs-1.md §9.9). */
export function handoff(facts: HandoffFacts, publicUrl: string): MailContent {
  const title = cut(oneLine(facts.title), MAX_TITLE) || 'an untitled session';
  return compose(`${facts.sender} handed off: ${title}`, [
    { kind: 'paragraph', text: `${facts.sender} handed a session off to you: ${title}` },
    ...(facts.message ? [{ kind: 'quote' as const, text: facts.message }] : []),
    {
      kind: 'facts',
      rows: [
        ['Tool', facts.tool],
        ['Model', facts.model],
        ['Messages', facts.messages?.toLocaleString('en-US') ?? null],
        ['Tokens', facts.tokens?.toLocaleString('en-US') ?? null],
        ['Repository', facts.gitRemote],
        ['Branch', facts.gitBranch],
        ['Expires', facts.expiresAt],
      ],
    },
    { kind: 'paragraph', text: 'To take it over:' },
    { kind: 'command', text: facts.pullCommand },
    { kind: 'link', label: 'The handoff', url: `${publicUrl}${facts.path}` },
  ]);
}
