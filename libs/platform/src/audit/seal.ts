import { createHash } from 'node:crypto';

/** The chain of what belongs to no account. */
export const PLATFORM_CHAIN = '00000000-0000-0000-0000-000000000000';

/**
 * An audit row as it is sealed: every column as PostgreSQL's own text, in the order of SEALED_COLUMNS. Times are
 * microseconds since the Unix epoch, because a driver would round them.
 */
export type SealedEntry = readonly (string | null)[];

/** The names of a SealedEntry's members and the SQL that yields each. A new column of `audit` belongs at the end. */
export const SEALED_COLUMNS = {
  id: 'a.id::text',
  xid: 'a.xid::text',
  account_id: 'a.account_id::text',
  actor_kind: 'a.actor_kind',
  actor_user_id: 'a.actor_user_id::text',
  actor_key_id: 'a.actor_key_id::text',
  action: 'a.action',
  subject_kind: 'a.subject_kind',
  subject_id: 'a.subject_id',
  facts: 'a.facts::text',
  address: 'a.address',
  request_id: 'a.request_id',
  at: '(extract(epoch from a.at) * 1000000)::bigint::text',
} as const;

export const SEALED_ENTRY_SQL = `array[${Object.values(SEALED_COLUMNS).join(', ')}]`;

/** What the first row of a chain stands on; names the chain, so that no row can be moved to another. */
export function genesisOf(chain: string): Buffer {
  return createHash('sha256').update(`roundhouse-audit-1\n${chain}`).digest();
}

/** SHA-256 of the previous hash and the entry as a JSON list of texts. */
export function sealHash(previous: Buffer, entry: SealedEntry): Buffer {
  return createHash('sha256').update(previous).update(JSON.stringify(entry)).digest();
}

/** What is signed after each batch: how long the chain is, and everything in it. */
export function headStatement(chain: string, seq: string, hash: Buffer): string {
  return `roundhouse-audit-head-1\n${chain}\n${seq}\n${hash.toString('hex')}`;
}

/** What is signed over all chains: how many rows they hold together, so that none can vanish or be cut short. */
export function ledgerStatement(sealed: string, xid: string, id: string): string {
  return `roundhouse-audit-ledger-1\n${sealed}\n${xid}\n${id}`;
}
