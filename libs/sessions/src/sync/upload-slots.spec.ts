import { jest } from '@jest/globals';
import { UploadSlots } from './upload-slots.js';

const pending = (): { promise: Promise<string>; resolve: (value: string) => void } => Promise.withResolvers<string>();

let slots: UploadSlots;
let uploads: ReturnType<typeof pending>[];

beforeEach(() => {
  jest.useFakeTimers();
  slots = new UploadSlots();
  uploads = [pending(), pending(), pending()];
  for (const { promise } of uploads) void slots.run('ann', () => promise);
});

afterEach(() => {
  jest.useRealTimers();
});

it('a fourth upload of a person waits for one of three, whoever waits longest first; other people do not', async () => {
  const begun: string[] = [];
  const begin = (name: string, user = 'ann'): Promise<unknown> =>
    slots.run(user, () => Promise.resolve(begun.push(name)));
  const [fourth, fifth] = [begin('fourth'), begin('fifth')];
  await begin('theirs', 'bo');
  expect(begun).toEqual(['theirs']);
  uploads[1]!.resolve('done');
  await fourth;
  await fifth;
  expect(begun).toEqual(['theirs', 'fourth', 'fifth']);
});

it('one that waits 30 seconds is told when to come back, and holds nobody up', async () => {
  const refused = slots.run('ann', () => Promise.resolve('never'));
  const told = expect(refused).rejects.toMatchObject({
    code: 'rate_limited',
    reason: 'sync_rate_limit',
    headers: { 'Retry-After': '5' },
  });
  await jest.advanceTimersByTimeAsync(30_000);
  await told;
  uploads[0]!.resolve('done');
  expect(await slots.run('ann', () => Promise.resolve('next'))).toBe('next');
});

it('an upload that fails gives its place back', async () => {
  const failed = slots.run('bo', () => Promise.reject(new Error('cut off')));
  await expect(failed).rejects.toThrow('cut off');
  const begun: number[] = [];
  for (const n of [1, 2, 3]) void slots.run('bo', () => (begun.push(n), pending().promise));
  await jest.advanceTimersByTimeAsync(0);
  expect(begun).toEqual([1, 2, 3]);
});
