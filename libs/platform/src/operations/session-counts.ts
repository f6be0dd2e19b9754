/** All captured sessions that are not in the trash. */
export interface SessionTotals {
  readonly total: number;
  /** Bytes of their archives, without older versions. */
  readonly bytes: number;
  readonly byTool: Readonly<Record<string, number>>;
}

/** All handoffs; one whose time is over is pending for nobody. */
export interface HandoffTotals {
  readonly total: number;
  readonly pending: number;
  readonly claimed: number;
}

/** How many captured sessions there are, for administrators; implemented by the sessions lib. */
export abstract class SessionCounts {
  abstract totals(): Promise<SessionTotals>;

  abstract handoffs(): Promise<HandoffTotals>;

  /** Live sessions by user id; who has none may be absent. */
  abstract ofUsers(userIds: readonly string[]): Promise<ReadonlyMap<string, number>>;
}
