import { Progress } from './progress.js';

/** A terminal as far as the bar uses one: text, line ends, back to the beginning, and clearing to the end of the line. */
class Screen {
  private readonly lines = [''];
  private column = 0;

  write(text: string): void {
    for (const [part] of text.matchAll(/\x1b\[K|[^]/g)) {
      const line = this.lines.at(-1)!;
      if (part === '\n') this.lines.push('');
      if (part === '\n' || part === '\r') this.column = 0;
      else if (part === '\x1b[K') this.lines.splice(-1, 1, line.slice(0, this.column));
      else {
        this.lines.splice(-1, 1, line.slice(0, this.column) + part + line.slice(this.column + 1));
        this.column += 1;
      }
    }
  }

  get text(): string[] {
    return [...this.lines];
  }
}

/** A stream to the screen; to a file when it is no terminal. */
const stream = (screen: Screen, isTTY: boolean): NodeJS.WriteStream =>
  ({ isTTY, write: (text: string) => (screen.write(text), true) }) as unknown as NodeJS.WriteStream;

const bar = (filled: number, count: string): string => `[${'#'.repeat(filled)}${'.'.repeat(30 - filled)}] ${count}`;

it('a terminal shows each line whole, and below them one bar that is gone in the end', () => {
  const screen = new Screen();
  const progress = new Progress(3, stream(screen, true), stream(screen, true));
  expect(screen.text).toEqual([bar(0, '0/3')]);
  progress.item('created a');
  progress.item('a much longer line than the bar has room for, which must not be torn by it');
  expect(screen.text).toEqual([
    'created a',
    'a much longer line than the bar has room for, which must not be torn by it',
    bar(20, '2/3'),
  ]);
  progress.item('c');
  expect(screen.text.at(-1)).toBe(bar(30, '3/3'));
  progress.end();
  expect(screen.text.slice(2)).toEqual(['c', '']);
});

it('lines that go to a file have nothing of the bar in them, which stays where people look', () => {
  const [file, screen] = [new Screen(), new Screen()];
  const progress = new Progress(2, stream(file, false), stream(screen, true));
  progress.item('created a');
  expect([file.text, screen.text]).toEqual([['created a', ''], [bar(15, '1/2')]]);
  progress.end();
  expect(screen.text).toEqual(['']);
});

it.each([
  ['without a terminal', 2, false],
  ['of nothing', 0, true],
])('there is no bar %s', (_, total, isTTY) => {
  const [file, screen] = [new Screen(), new Screen()];
  const progress = new Progress(total, stream(file, false), stream(screen, isTTY));
  if (total > 0) progress.item('created a');
  progress.end();
  expect(screen.text).toEqual(['']);
});
