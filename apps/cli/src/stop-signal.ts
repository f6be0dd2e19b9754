/**
 * One ctrl-C may arrive as several signals: the terminal signals every process of the group, and npm and the start
 * script pass on what they get. Only a signal after this many milliseconds is a second wish of the operator.
 */
const ONE_WISH_MS = 1_000;

/** The operator's wish to stop: `requested` resolves at the first SIGINT or SIGTERM, a later one ends the process. */
export class StopSignal {
  readonly requested: Promise<void>;
  private firstAt: number | undefined;

  constructor() {
    this.requested = new Promise((resolve) => {
      const onSignal = (): void => {
        if (this.firstAt === undefined) {
          this.firstAt = Date.now();
          resolve();
        } else if (Date.now() - this.firstAt > ONE_WISH_MS) {
          console.error('Stopped without waiting.');
          process.exit(1);
        }
      };
      process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
    });
  }

  get isRequested(): boolean {
    return this.firstAt !== undefined;
  }
}
