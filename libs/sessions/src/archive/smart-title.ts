import { cut } from './storable.js';

const MIN_CHARACTERS = 3;
const MIN_SENTENCE = 10;
const MAX_CHARACTERS = 80;

/** How text starts that is markup, an instruction to the agent or machine output rather than what somebody wants. */
const NO_PROSE: readonly RegExp[] = [
  /^[#*>|<[\]{}()`~=+_\\/-]/,
  /^(?:IMPORTANT|Note|WARNING)\s*:/i,
  /^(?:Set |You are )/,
  /^(?:Co-authored-by|Signed-off-by|Reviewed-by|Acked-by|Change-Id)\s*:/i,
  /^(?:load|adopt|assume|activate|switch to)\b[^.]*\bpersona\b/i,
];

/** Whether a person might have written it as the first line of a request. */
export function isProse(line: string): boolean {
  return line.length >= MIN_CHARACTERS && !NO_PROSE.some((pattern) => pattern.test(line));
}

export interface TitleSource {
  /** The title the client gave. */
  readonly given: string | null;
  /** Text of the first message that a person wrote. */
  readonly prompt: string | null;
  readonly messageCount: number;
}

/** A line that tells sessions apart in a list (sessionfs-1.md §7.4); `redact` takes secrets out before anything is cut. */
export function smartTitle({ given, prompt, messageCount }: TitleSource, redact: (text: string) => string): string {
  const lines = [oneLine(given ?? ''), ...(prompt ?? '').split('\n').map(oneLine)];
  const prose = lines.find(isProse);
  if (prose !== undefined) return headline(redact(prose));
  return messageCount > 0 ? `Untitled session (${messageCount} messages)` : 'Untitled session';
}

const oneLine = (text: string): string => text.replace(/[\s\u0000-\u001f\u007f]+/g, ' ').trim();

/** The first sentence, at most 80 characters, cut between words. */
function headline(text: string): string {
  // `e.g. this` goes on in lowercase.
  const end = /[.!?](?=\s+[^a-z\s])/g;
  end.lastIndex = MIN_SENTENCE - 1;
  const sentence = end.exec(text) ? text.slice(0, end.lastIndex) : text;
  if (sentence.length <= MAX_CHARACTERS) return sentence;
  const start = cut(sentence, MAX_CHARACTERS - 1);
  const space = sentence.charAt(start.length) === ' ' ? start.length : start.lastIndexOf(' ');
  return `${(space >= MIN_SENTENCE ? start.slice(0, space) : start).trimEnd()}…`;
}
