/** The way of one command to a model. */
export interface ModelDoor {
  /** Where the server's side listens on this machine. */
  readonly socket: string;
  /** What it knows the command by; worth nothing outside of it, nor afterwards. */
  readonly token: string;
}
