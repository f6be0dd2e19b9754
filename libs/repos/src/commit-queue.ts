/** Work waiting for one branch, done in groups: everything queued while one group runs forms the next. */
export class GroupQueue<Item> {
  private readonly waiting = new Map<string, Item[]>();
  private readonly busy = new Set<string>();

  /** `run` must settle every item of its group itself and never reject. */
  constructor(
    private readonly run: (key: string, group: Item[]) => Promise<void>,
    private readonly groupSize: number,
  ) {}

  add(key: string, item: Item): void {
    const queue = this.waiting.get(key);
    if (queue) queue.push(item);
    else this.waiting.set(key, [item]);
    if (!this.busy.has(key)) void this.drain(key);
  }

  private async drain(key: string): Promise<void> {
    this.busy.add(key);
    for (;;) {
      const queue = this.waiting.get(key);
      if (!queue || queue.length === 0) break;
      await this.run(key, queue.splice(0, this.groupSize));
    }
    this.waiting.delete(key);
    this.busy.delete(key);
  }
}
