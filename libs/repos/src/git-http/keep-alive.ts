import { setTimeout as pause } from 'node:timers/promises';

export interface KeepAlive {
  /** Milliseconds between two signs of life. */
  readonly everyMs: number;
  readonly packet: Buffer;
  /** Whether the client has finished sending, so that it listens (and proxies wait). */
  readonly isListening: () => boolean;
  /** Turns a failure into an answer once the answer has begun; before that the failure is thrown. */
  readonly explain: (error: unknown) => Buffer;
}

/**
 * The answer that `work` makes, preceded by packets that keep the connection alive while it takes long. Resolves with
 * the first byte there is to send, so that an early failure can still be answered by its status.
 */
export async function withKeepAlive(work: Promise<Buffer>, how: KeepAlive): Promise<AsyncIterable<Buffer>> {
  // Whoever awaits `work` below sees its failure; a client that left meanwhile must not make it an unhandled one.
  work.catch(() => undefined);
  const answer = await within(work, how);
  return answer ? only(answer) : beats(work, how);
}

async function* beats(work: Promise<Buffer>, how: KeepAlive): AsyncGenerator<Buffer> {
  for (;;) {
    yield how.packet;
    let answer: Buffer | null;
    try {
      answer = await within(work, how);
    } catch (error) {
      answer = how.explain(error);
    }
    if (!answer) continue;
    yield answer;
    return;
  }
}

async function* only(answer: Buffer): AsyncGenerator<Buffer> {
  yield answer;
}

/** The result of `work`, or null when a sign of life is due first. */
async function within(work: Promise<Buffer>, { everyMs, isListening }: KeepAlive): Promise<Buffer | null> {
  for (;;) {
    const timer = new AbortController();
    const tick = pause(everyMs, null, { signal: timer.signal });
    tick.catch(() => undefined);
    try {
      const answer = await Promise.race([work, tick]);
      if (answer || isListening()) return answer;
    } finally {
      timer.abort();
    }
  }
}
