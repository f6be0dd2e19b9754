import { encodeFrame, type Frame, readFrames } from './frames.js';

async function framesOf(pieces: readonly Buffer[]): Promise<Frame[]> {
  const frames: Frame[] = [];
  const source = (async function* () {
    for (const piece of pieces) yield await Promise.resolve(piece);
  })();
  for await (const frame of readFrames(source)) frames.push(frame);
  return frames;
}

const SENT = [
  { kind: 'a', payload: Buffer.from('first') },
  { kind: 'b', payload: Buffer.alloc(0) },
  { kind: 'c', payload: Buffer.alloc(3_000, 7) },
];
const bytes = Buffer.concat(SENT.map(({ kind, payload }) => encodeFrame(kind, payload)));

describe('frames', () => {
  it.each([1, 2, 5, 7, 1_000, bytes.length])('arrive whole from pieces of %d bytes', async (size) => {
    const pieces: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
    expect(await framesOf(pieces)).toEqual(SENT);
  });

  it('leave out the one that broke off', async () => {
    expect(await framesOf([bytes.subarray(0, -1)])).toEqual(SENT.slice(0, 2));
  });

  it('refuse a length that no sender of ours writes', async () => {
    await expect(framesOf([Buffer.from([97, 255, 0, 0, 0, 0])])).rejects.toThrow('none of ours');
  });
});
