import { type Answer, type Client, signUp, type TestAccount } from './client.js';
import type { TestServer } from './server.js';

export interface Invitee extends TestAccount {
  readonly email: string;
}

let invitees = 0;

/** Somebody who can be invited. */
export async function invitee(server: Pick<TestServer, 'url'>): Promise<Invitee> {
  const account = await signUp(server, `invitee${(invitees += 1)}`);
  const me = await account.get('/api/v1/auth/me');
  return Object.assign(account, { email: me.body.email as string });
}

/** Invites an address as `admin` and answers the invite's id. */
export async function invite(admin: Client, orgId: string, email: string, role = 'member'): Promise<string> {
  const { status, body } = await admin.post(`/api/v1/orgs/${orgId}/invite`, { email, role });
  if (status !== 200) throw new Error(`inviting answered ${status}: ${JSON.stringify(body)}`);
  return body.invite_id as string;
}

export const accept = (who: Client, inviteId: string, body?: { token: string }): Promise<Answer> =>
  who.post(`/api/v1/org/invite/${inviteId}/accept`, body);
