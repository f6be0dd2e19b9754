import type { Principal } from '#platform';

/** For whom an archive is stored: a caller, or, without a key, whose sandbox the server records. */
export type Depositor = Pick<Principal, 'accountId' | 'userId' | 'orgId' | 'tier'> & { readonly keyId: string | null };
