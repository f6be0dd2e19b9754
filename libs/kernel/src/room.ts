import type { Writable } from 'node:stream';

/** Resolves when the stream takes more, or never will again: who waits finds that out by itself. */
export function roomIn(stream: Writable): Promise<void> {
  if (!stream.writableNeedDrain) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off('drain', done).off('close', done).off('error', done);
      resolve();
    };
    stream.on('drain', done).on('close', done).on('error', done);
  });
}
