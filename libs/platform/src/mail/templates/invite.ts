import { compose, type MailContent } from './content.js';

export interface InviteFacts {
  readonly inviteId: string;
  /** Known to this mail only: who presents it has read it. */
  readonly token: string;
  readonly orgName: string;
  readonly inviter: string;
  readonly role: string;
  readonly expiresAt: string;
}

/** Asks a person to join an organisation (sessionfs-2.md §14.4). */
export function invite(facts: InviteFacts, publicUrl: string): MailContent {
  const url = `${publicUrl}/api/v1/org/invite/${facts.inviteId}`;
  const headers = `-H "x-api-key: $KEY" -H "content-type: application/json"`;
  return compose(`${facts.inviter} invites you to ${facts.orgName}`, [
    {
      kind: 'paragraph',
      text: `${facts.inviter} invites you to join the organization ${facts.orgName} as ${facts.role}.`,
    },
    {
      kind: 'facts',
      rows: [
        ['Server', publicUrl],
        ['Invite', facts.inviteId],
        ['Expires', facts.expiresAt],
      ],
    },
    {
      kind: 'paragraph',
      text: 'To accept, with a key of an account of this address (sign up first if you have none):',
    },
    { kind: 'command', text: `curl -X POST ${url}/accept ${headers} -d '{"token":"${facts.token}"}'` },
    { kind: 'paragraph', text: 'To decline:' },
    { kind: 'command', text: `curl -X POST ${url}/decline ${headers} -d '{"reason":"…"}'` },
    { kind: 'paragraph', text: 'Do not pass this mail on: it shows that you own the address.' },
  ]);
}
