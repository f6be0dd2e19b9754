import { randomBytes, randomUUID } from 'node:crypto';
import type { Client, TestAccount } from './client.js';
import { sql } from './pinned-sessions.js';
import type { TestServer } from './server.js';

/** An organisation as the database holds it, for tests whose subject is not how organisations come to be. */
export interface OrgRow {
  readonly id: string;
  readonly accountId: string;
  readonly slug: string;
}

/** An organisation of that tier with `owner` as its only member. */
export async function seedOrg(server: TestServer, owner: TestAccount, tier = 'team'): Promise<OrgRow> {
  const id = `org_${randomBytes(8).toString('hex')}`;
  const org = { id, accountId: randomUUID(), slug: `org-${randomBytes(6).toString('hex')}` };
  await sql(
    server,
    `with claimed as (insert into account_slug (account_id, slug) values ($1, $2))
     insert into account (id, kind, slug, tier) values ($1, 'organisation', $2, $3)`,
    [org.accountId, org.slug, tier],
  );
  await sql(server, 'insert into organisation (id, account_id, name, seats_limit) values ($1, $2, $3, 50)', [
    id,
    org.accountId,
    `Org ${org.slug}`,
  ]);
  await seedMember(server, org, owner, 'owner');
  return org;
}

export async function seedMember(
  server: TestServer,
  org: OrgRow,
  user: TestAccount,
  role: 'member' | 'admin' | 'owner' = 'member',
): Promise<void> {
  await sql(server, 'insert into org_member (org_id, user_id, role) values ($1, $2, $3)', [org.id, user.userId, role]);
}

/** Takes a member out as the server does it: with the row that tells every node. */
export async function unseatMember(server: TestServer, org: OrgRow, user: TestAccount): Promise<void> {
  await sql(
    server,
    `with gone as (delete from org_member where org_id = $1 and user_id = $2::uuid returning user_id)
     insert into revocation (kind, subject_id) select 'user', user_id::text from gone`,
    [org.id, user.userId],
  );
}

/** The same key, acting for an organisation. */
export function actingFor(client: Client, { slug }: Pick<OrgRow, 'slug'>): Client {
  return client.with({ 'x-account': slug });
}
