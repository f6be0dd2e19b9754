/** One request's hold on its Idempotency-Key, from the claim until its effect is committed or the claim is dropped. */
export interface IdempotencyClaim {
  readonly accountId: string;
  /** The credential: two keys of one account never share records. */
  readonly principalId: string;
  readonly key: string;
  /** Tells this holder from one that took the key over after the lease ran out. */
  readonly owner: string;
  /** Encrypts the recorded answer; null when the answer holds no secret. */
  readonly sealingKey: Buffer | null;
  /** True once `settle` ran, committed or not. */
  isSettled: boolean;
}
