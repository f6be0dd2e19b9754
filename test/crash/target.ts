export interface Target {
  readonly url: string;
  readonly key: string;
  readonly accountSlug: string;
  /** Whether the server speaks git's own protocol. */
  readonly gitHttp: boolean;
}

/** The server is gone, or failed while it was going: the effect of the request is unknown. */
export class Unanswered extends Error {}
