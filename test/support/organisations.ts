import { randomBytes, randomUUID } from 'node:crypto';
import { EntitlementsService, type OrgRole } from '../../libs/accounts/src/index.js';
import { Database, type Tier } from '../../libs/platform/src/index.js';
import type { Client, TestAccount } from './client.js';
import type { TestServer } from './server.js';

export interface TestOrganisation {
  readonly id: string;
  readonly accountId: string;
}

export interface CreatedOrganisation {
  readonly orgId: string;
  readonly slug: string;
}

/** An organisation with `client` as its owner, made over HTTP. */
export async function createOrg(client: Client, name = 'Acme'): Promise<CreatedOrganisation> {
  const { status, body } = await client.post('/api/v1/org', { name, slug: uniqueSlug() });
  if (status !== 200) throw new Error(`creating an organisation answered ${status}: ${JSON.stringify(body)}`);
  return { orgId: body.org_id as string, slug: body.slug as string };
}

export function uniqueSlug(prefix = 'org'): string {
  return `${prefix}-${randomBytes(6).toString('hex')}`;
}

/** An organisation without members, put into the database as its own routes would leave it. */
export async function makeOrganisation(
  server: Pick<TestServer, 'app'>,
  tier: Tier,
  seats = 5,
): Promise<TestOrganisation> {
  const db = server.app.get(Database);
  const accountId = randomUUID();
  const id = `org_${randomBytes(8).toString('hex')}`;
  await db.query(
    `with claimed as (insert into account_slug (account_id, slug) values ($1, $2))
     insert into account (id, kind, slug, tier) values ($1, 'organisation', $2, 'free')`,
    [accountId, id.replace('_', '-')],
  );
  await db.query('insert into organisation (id, account_id, name, seats_limit) values ($1, $2, $3, 0)', [
    id,
    accountId,
    id,
  ]);
  const grant = { accountId, tier, source: 'admin', sourceRef: null, expiresAt: null, seats } as const;
  await server.app.get(EntitlementsService).grant(null, grant);
  return { id, accountId };
}

/** Makes a user a member, past invites and seats. Takes ids, or what holds them. */
export async function addMember(
  server: Pick<TestServer, 'app'>,
  org: string | { readonly id: string },
  member: string | Pick<TestAccount, 'userId'>,
  role: OrgRole = 'member',
): Promise<void> {
  const orgId = typeof org === 'string' ? org : org.id;
  const userId = typeof member === 'string' ? member : member.userId;
  await server.app
    .get(Database)
    .query('insert into org_member (org_id, user_id, role, joined_at) values ($1, $2, $3, clock_timestamp())', [
      orgId,
      userId,
      role,
    ]);
}

/** Sets the tier of a person's own account as an administrator does. */
export async function setTier(root: Client, account: Pick<TestAccount, 'userId'>, tier: Tier): Promise<void> {
  const { status, body } = await root.put(`/api/v1/admin/users/${account.userId}/tier`, { tier });
  if (status !== 200) throw new Error(`setting the tier answered ${status}: ${JSON.stringify(body)}`);
}
