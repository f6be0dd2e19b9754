/** Words are cut at white space and at what no identifier, path or error code contains; never by backtracking. */
const SEPARATORS = /[^\s"'`()<>[\]{},;|=!?*&^%~+]+/g;
const EDGES = /^[^\p{L}\p{N}_]+|[^\p{L}\p{N}_]+$/gu;
const CODE = /[_$\-./\\:#@\d]|\p{Ll}\p{Lu}/u;
const PATH_PARTS = /[/\\:#@]+/;
const NAME_PARTS = /[^\p{L}\p{N}]+/u;
const HUMPS = /\p{Lu}+(?!\p{Ll})|\p{Lu}?\p{Ll}+|\p{N}+|\p{L}/gu;

const MAX_WORD = 300;
const MAX_TOKEN = 120;

/**
 * The extra index words of code in a text, lower case and distinct: for `src/fooBar.ts` the path itself, `foobar.ts`,
 * `foobar`, `foo`, `bar` and `src`; for `foo_bar` and `foo-bar` the whole, `foobar`, `foo` and `bar`. Plain words give
 * none, the full-text index has them. Apply it to texts and to queries alike. At most `limit` words.
 */
export function identifiers(text: string, limit = 4000): string[] {
  const found = new Set<string>();
  const add = (token: string): void => {
    if (token.length > 1 && token.length <= MAX_TOKEN) found.add(token.toLowerCase());
  };
  for (const [match] of text.matchAll(SEPARATORS)) {
    if (found.size >= limit) break;
    // Longer ones are encoded data, whose parts nobody searches.
    if (match.length > MAX_WORD) continue;
    const word = match.replace(EDGES, '');
    if (CODE.test(word)) addWord(word, add);
  }
  return [...found].slice(0, limit);
}

function addWord(word: string, add: (token: string) => void): void {
  add(word);
  const segments = word.split(PATH_PARTS).filter((segment) => segment !== '');
  for (const segment of segments) {
    if (segments.length > 1) add(segment);
    const stem = segment.replace(/(?<=.)\.[A-Za-z0-9]{1,10}$/, '');
    const names = stem.split(NAME_PARTS).filter((name) => name !== '');
    if (stem !== segment) add(stem);
    if (names.length > 1) add(names.join(''));
    for (const name of names) {
      add(name);
      for (const [hump] of name.matchAll(HUMPS)) add(hump);
    }
  }
}
