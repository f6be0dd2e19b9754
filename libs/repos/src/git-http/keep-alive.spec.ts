import { setTimeout as pause } from 'node:timers/promises';
import { withKeepAlive } from './keep-alive.js';

const PACKET = Buffer.from('beat');
const explain = (error: unknown): Buffer => Buffer.from(`explained: ${(error as Error).message}`);

/** What the client is sent, beats counted as one. */
async function sent(work: Promise<Buffer>, isListening = (): boolean => true): Promise<string[]> {
  const chunks: string[] = [];
  const reply = await withKeepAlive(work, { everyMs: 5, packet: PACKET, isListening, explain });
  for await (const chunk of reply) if (chunks.at(-1) !== chunk.toString()) chunks.push(chunk.toString());
  return chunks;
}

async function after<T>(ms: number, result: () => T): Promise<T> {
  await pause(ms);
  return result();
}

const fail = (): never => {
  throw new Error('disk on fire');
};

describe('keeping a client alive', () => {
  it('sends nothing but a quick answer', async () => {
    expect(await sent(Promise.resolve(Buffer.from('answer')))).toEqual(['answer']);
  });

  it('sends a quick answer that is empty', async () => {
    expect(await sent(Promise.resolve(Buffer.alloc(0)))).toEqual(['']);
  });

  it('beats while the work takes long', async () => {
    expect(await sent(after(60, () => Buffer.from('answer')))).toEqual(['beat', 'answer']);
  });

  it('is silent while the client still sends', async () => {
    expect(
      await sent(
        after(60, () => Buffer.from('answer')),
        () => false,
      ),
    ).toEqual(['answer']);
  });

  it('throws an early failure and explains a late one', async () => {
    await expect(sent(after(0, fail))).rejects.toThrow('disk on fire');
    expect(await sent(after(60, fail))).toEqual(['beat', 'explained: disk on fire']);
  });
});
