/** Repeats a batch until it finds nothing more, or the process is to stop; answers how many there were in all. */
export async function untilNone(signal: AbortSignal, batch: () => Promise<number>): Promise<number> {
  let total = 0;
  for (let done = -1; done !== 0 && !signal.aborted; total += done) done = await batch();
  return total;
}
