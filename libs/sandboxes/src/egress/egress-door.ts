/** The way out of one sandbox. */
export interface EgressDoor {
  /** Where the proxy listens on this machine. */
  readonly socket: string;
  /** What the proxy knows the sandbox by; worth nothing outside of it. */
  readonly user: string;
  readonly password: string;
}
