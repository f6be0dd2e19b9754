const isHighSurrogate = (code: number): boolean => code >= 0xd800 && code <= 0xdbff;

/** The first `max` UTF-16 units, one less where that would halve a character. */
export function head(text: string, max: number): string {
  if (text.length <= max) return text;
  return text.slice(0, isHighSurrogate(text.charCodeAt(max - 1)) ? max - 1 : max);
}

/** The last `max` UTF-16 units, one less where that would halve a character. */
export function tail(text: string, max: number): string {
  if (text.length <= max) return text;
  const start = text.length - max;
  return text.slice(isHighSurrogate(text.charCodeAt(start - 1)) ? start + 1 : start);
}

/** At most `max` units of a text: its beginning and, after a line with `…`, its longer end, where tools say how it went. */
export function ends(text: string, max: number): string {
  if (text.length <= max) return text;
  const first = Math.floor(max / 4);
  return `${head(text, first)}\n…\n${tail(text, max - first - 3)}`;
}

/** One line of at most `max` units for lists and messages: white space folded, cut with `…`. */
export function excerpt(text: string, max: number): string {
  const line = head(text, max * 4)
    .replace(/\s+/g, ' ')
    .trim();
  return line.length <= max ? line : `${head(line, max - 1)}…`;
}

const CONTROL = new RegExp(String.raw`\u001b\[[0-9;?]*[A-Za-z]|\u001b\][^\u0007]{0,500}\u0007`, 'g');

/** Output of a terminal without its colours, with plain line ends. */
export function plainOutput(text: string): string {
  return text.replace(CONTROL, '').replace(/\r\n?/g, '\n');
}
