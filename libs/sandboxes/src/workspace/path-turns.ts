/** Lets those who want the same path go one after the other, in the order they came. */
export class PathTurns {
  private readonly last = new Map<string, Promise<unknown>>();

  async take<Result>(path: string, work: () => Promise<Result>): Promise<Result> {
    const before = this.last.get(path);
    const mine = (before ?? Promise.resolve()).then(work, work);
    this.last.set(path, mine);
    try {
      return await mine;
    } finally {
      if (this.last.get(path) === mine) this.last.delete(path);
    }
  }
}
