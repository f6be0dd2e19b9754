const HEADER = 'diff --git ';
const RENAME = '\nrename to ';

/**
 * A patch of `git diff-index -p` by path, each section still bytes. `isCut` when the output ended before git did: its
 * last section is left out then, as nobody knows how much of it is there.
 */
export function patchSections(patch: Buffer, isCut: boolean): Map<string, Buffer> {
  const sections = new Map<string, Buffer>();
  const starts = startsOf(patch);
  for (const [index, start] of starts.entries()) {
    const end = starts[index + 1] ?? patch.length;
    if (isCut && end === patch.length) break;
    const section = patch.subarray(start, end);
    const path = pathOf(section);
    // A file that became a link, or the other way round, has two sections: one goes, one comes.
    const before = sections.get(path);
    sections.set(path, before ? Buffer.concat([before, section]) : section);
  }
  return sections;
}

/** Lines of content begin with a blank, a sign or a backslash: nothing in a file can look like a header. */
function startsOf(patch: Buffer): number[] {
  const starts = patch.subarray(0, HEADER.length).equals(Buffer.from(HEADER)) ? [0] : [];
  for (let at = patch.indexOf(`\n${HEADER}`); at !== -1; at = patch.indexOf(`\n${HEADER}`, at + 1)) starts.push(at + 1);
  return starts;
}

/** Where a file was not renamed the header names it twice, `a/<path> b/<path>`: the halves are equally long. */
function pathOf(section: Buffer): string {
  const end = section.indexOf('\n');
  const line = section.subarray(HEADER.length, end === -1 ? section.length : end);
  const second = line.subarray((line.length + 1) / 2);
  const isSame = line.length % 2 === 1 && line[(line.length - 1) / 2] === 0x20 && isTwice(line);
  if (isSame) return unquoted(second).slice('b/'.length);
  const head = section.subarray(0, 20_000).toString('latin1');
  const at = head.indexOf(RENAME);
  if (at === -1) return '';
  const from = at + RENAME.length;
  return unquoted(section.subarray(from, section.indexOf('\n', from)));
}

function isTwice(line: Buffer): boolean {
  const [one, other] = [line.subarray(0, (line.length - 1) / 2), line.subarray((line.length + 1) / 2)];
  const prefix = one[0] === 0x22 ? 3 : 2;
  return one.subarray(prefix).equals(other.subarray(prefix));
}

const ESCAPES: Readonly<Record<string, number>> = { a: 7, b: 8, t: 9, n: 10, v: 11, f: 12, r: 13, '"': 34, '\\': 92 };

/** Undoes git's quoting, which it uses for control characters, quotes and backslashes only. */
function unquoted(name: Buffer): string {
  if (name[0] !== 0x22) return name.toString('utf8');
  const bytes: number[] = [];
  const quoted = name.toString('latin1').slice(1, -1);
  for (const [, octal, letter, plain] of quoted.matchAll(/\\([0-7]{3})|\\(.)|([^\\])/gs)) {
    bytes.push(octal ? parseInt(octal, 8) : letter ? (ESCAPES[letter] ?? letter.charCodeAt(0)) : plain!.charCodeAt(0));
  }
  return Buffer.from(bytes).toString('utf8');
}
