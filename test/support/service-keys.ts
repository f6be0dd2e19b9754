import { Client, type TestAccount } from './client.js';
import type { OrgRow } from './org-rows.js';

export interface ServiceKey extends Client {
  readonly id: string;
  readonly name: string;
}

export const keysOf = ({ id }: Pick<OrgRow, 'id'>): string => `/api/v1/orgs/${id}/service-keys`;

/** A service key of the organisation; the client carries it. */
export async function serviceKey(
  by: TestAccount,
  org: Pick<OrgRow, 'id'>,
  scopes: readonly string[],
  more: Record<string, string | number | readonly string[]> = {},
): Promise<ServiceKey> {
  const name = `key for ${scopes.join(' ')}`.slice(0, 100);
  const { status, body } = await by.post(keysOf(org), { name, scopes, ...more });
  if (status !== 201) throw new Error(`making a service key answered ${status}: ${JSON.stringify(body)}`);
  return Object.assign(new Client(by.url, body.key as string), { id: body.id as string, name });
}
