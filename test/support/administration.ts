import type { Database } from '../../libs/platform/src/index.js';
import type { Client } from './client.js';

export const ADMIN_USERS = '/api/v1/admin/users';

/** The audit rows of an action on a subject, oldest first. */
export const auditOf = (db: Database, action: string, subjectId: string): Promise<Record<string, unknown>[]> =>
  db.query('select * from audit where action = $1 and subject_id = $2 order by audit.id', [action, subjectId]);

export async function createOrg(db: Database, owner: Client, slug: string): Promise<{ id: string; accountId: string }> {
  const { status, body } = await owner.post('/api/v1/org', { name: `Org ${slug}`, slug });
  if (status >= 300) throw new Error(`creating ${slug} answered ${status}: ${JSON.stringify(body)}`);
  const [org] = await db.query<{ id: string; accountId: string }>(
    'select o.id, o.account_id as "accountId" from organisation o join account a on a.id = o.account_id where a.slug = $1',
    [slug],
  );
  return org!;
}

/** Makes somebody a member past all invitations. */
export async function joinOrg(db: Database, orgId: string, userId: string, role: string): Promise<void> {
  await db.query('insert into org_member (org_id, user_id, role, joined_at) values ($1, $2, $3, clock_timestamp())', [
    orgId,
    userId,
    role,
  ]);
}

export async function roleIn(db: Database, orgId: string, userId: string): Promise<string | null> {
  const sql = 'select role from org_member where org_id = $1 and user_id = $2';
  return (await db.query<{ role: string }>(sql, [orgId, userId]))[0]?.role ?? null;
}
