import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';

const PER_USER = 3;
const WAIT_MS = 30_000;

interface Waiting {
  readonly go: () => void;
}

/** Three uploads of one user at a time in this process; a fourth waits up to 30 s (sessionfs-1.md §5). */
@Injectable()
export class UploadSlots {
  private readonly running = new Map<string, number>();
  private readonly waiting = new Map<string, Waiting[]>();

  /** Runs `work` in a slot of the user. Errors: `rate_limited` with reason `sync_rate_limit`. */
  async run<Result>(userId: string, work: () => Promise<Result>): Promise<Result> {
    await this.take(userId);
    try {
      return await work();
    } finally {
      this.giveBack(userId);
    }
  }

  private take(userId: string): Promise<void> {
    const running = this.running.get(userId) ?? 0;
    if (running < PER_USER) {
      this.running.set(userId, running + 1);
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const queue = this.waiting.get(userId) ?? [];
      const timer = setTimeout(() => {
        queue.splice(queue.indexOf(entry), 1);
        reject(tooMany());
      }, WAIT_MS);
      const entry: Waiting = {
        go: () => {
          clearTimeout(timer);
          resolve();
        },
      };
      queue.push(entry);
      this.waiting.set(userId, queue);
    });
  }

  /** The slot passes to who waits longest, so that the count never dips in between. */
  private giveBack(userId: string): void {
    const next = this.waiting.get(userId)?.shift();
    if (next) return next.go();
    this.waiting.delete(userId);
    const running = (this.running.get(userId) ?? 1) - 1;
    if (running > 0) this.running.set(userId, running);
    else this.running.delete(userId);
  }
}

function tooMany(): DomainError {
  return new DomainError('rate_limited', 'Too many uploads at once. Try again shortly.', {
    reason: 'sync_rate_limit',
    headers: { 'Retry-After': '5' },
  });
}
