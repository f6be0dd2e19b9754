const WIDTH = 30;

/** A line for every item on stdout; on a terminal also a bar on stderr, which the lines do not tear. */
export class Progress {
  private done = 0;

  constructor(
    private readonly total: number,
    private readonly out: NodeJS.WriteStream = process.stdout,
    private readonly bar: NodeJS.WriteStream = process.stderr,
  ) {
    this.draw();
  }

  item(line: string): void {
    this.done += 1;
    this.clear();
    this.out.write(`${line}\n`);
    this.draw();
  }

  end(): void {
    this.clear();
  }

  private clear(): void {
    if (this.bar.isTTY) this.bar.write('\r\x1b[K');
  }

  private draw(): void {
    if (!this.bar.isTTY || this.total === 0) return;
    const filled = Math.round((this.done / this.total) * WIDTH);
    this.bar.write(`[${'#'.repeat(filled)}${'.'.repeat(WIDTH - filled)}] ${this.done}/${this.total}`);
  }
}
