import { DomainError } from '#kernel';

export interface SlotLimits {
  /** Calls that may compute at once. */
  readonly active: number;
  /** Calls that may exist at once: those older than `slowAfterMs` mostly wait for a slow client, not for the CPU. */
  readonly total: number;
  readonly slowAfterMs: number;
  /** Calls that may wait; the next one is refused. */
  readonly queue: number;
}

interface Waiter {
  readonly start: () => void;
}

/** Bounds how many git processes of one kind run at once; the rest queue in order of arrival. */
export class Slots {
  private active = 0;
  private total = 0;
  private readonly waiting: Waiter[] = [];

  constructor(private readonly limits: SlotLimits) {}

  /** Resolves with the function that gives the slot back. @throws unavailable when the queue is full or on abort */
  async acquire(signal: AbortSignal): Promise<() => void> {
    return this.isFree() ? this.take() : this.wait(signal);
  }

  private take(): () => void {
    this.active += 1;
    this.total += 1;
    let counted = true;
    const yieldActive = (): void => {
      if (!counted) return;
      counted = false;
      this.active -= 1;
      this.startNext();
    };
    const slow = setTimeout(yieldActive, this.limits.slowAfterMs);
    let released = false;
    return () => {
      if (released) return;
      released = true;
      clearTimeout(slow);
      this.total -= 1;
      yieldActive();
      this.startNext();
    };
  }

  private wait(signal: AbortSignal): Promise<() => void> {
    if (this.waiting.length >= this.limits.queue) throw new DomainError('unavailable', 'git is busy, try again');
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.waiting.splice(this.waiting.indexOf(waiter), 1);
        reject(new DomainError('unavailable', 'The caller is gone'));
      };
      const waiter: Waiter = {
        start: () => {
          signal.removeEventListener('abort', onAbort);
          resolve(this.take());
        },
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.waiting.push(waiter);
    });
  }

  private isFree(): boolean {
    return this.active < this.limits.active && this.total < this.limits.total;
  }

  private startNext(): void {
    if (this.isFree()) this.waiting.shift()?.start();
  }
}
