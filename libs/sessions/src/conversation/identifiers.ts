/** Words are cut at white space and at what no identifier, path or error code contains; never by backtracking. */
const SEPARATORS = /[^\s"'`()<>[\]{},;|=!?*&^%~+]+/g;
const EDGES = /^[^\p{L}\p{N}_]+|[^\p{L}\p{N}_]+$/gu;
const CODE = /[_$\-./\\:#@\d]|\p{Ll}\p{Lu}/u;
const PATH_PARTS = /[/\\:#@]+/;
const NAME_PARTS = /[^\p{L}\p{N}]+/u;
const HUMPS = /\p{Lu}+(?!\p{Ll})|\p{Lu}?\p{Ll}+|\p{N}+|\p{L}/gu;
const LETTER = /\p{L}/u;
const EXTENSION = /(?<=.)\.[A-Za-z0-9]{1,10}$/;

const MAX_WORD = 300;
const MAX_TOKEN = 120;
const MAX_IDENTIFIERS = 4000;

/** What of a text is indexed beside its stems; all lower case and distinct. */
export interface CodeText {
  /** See `identifiers`. */
  readonly identifiers: readonly string[];
  /** Every word with a letter, whole, be it plain or code: `src/foobar.ts`, `call`. */
  readonly words: readonly string[];
}

/**
 * The extra index words of code in a text, lower case and distinct: for `src/fooBar.ts` the path itself, `foobar.ts`,
 * `foobar`, `foo`, `bar`, `ts` and `src`; for `foo_bar` and `foo-bar` the whole, `foobar`, `foo` and `bar`. Plain words
 * give none, the full-text index has them. Apply it to texts and to queries alike. At most `limit` words.
 */
export function identifiers(text: string, limit = MAX_IDENTIFIERS): string[] {
  return [...codeText(text, limit).identifiers];
}

export function codeText(text: string, limit = MAX_IDENTIFIERS): CodeText {
  const found = new Set<string>();
  const words = new Set<string>();
  const add = (token: string): void => {
    if (token.length > 1 && token.length <= MAX_TOKEN) found.add(token.toLowerCase());
  };
  for (const word of wordsOf(text)) {
    if (found.size >= limit || words.size >= limit) break;
    if (word.length > 2 && word.length <= MAX_TOKEN && LETTER.test(word)) words.add(word.toLowerCase());
    if (CODE.test(word)) addWord(word, add);
  }
  return { identifiers: [...found].slice(0, limit), words: [...words] };
}

/** Ways to write a word of code that mean the same: `foo_bar` and `fooBar` are both `foobar`. Empty for a plain word. */
export function spellings(word: string): string[] {
  if (!CODE.test(word)) return [];
  const stem = word.replace(EXTENSION, '');
  const joined = PATH_PARTS.test(word) || stem !== word ? [] : [word.replace(new RegExp(NAME_PARTS, 'gu'), '')];
  const forms = [word, ...joined].map((form) => form.toLowerCase());
  return [...new Set(forms)].filter((form) => form.length > 1 && form.length <= MAX_TOKEN);
}

/** The words of a text without what surrounds them. Longer ones are encoded data, whose parts nobody searches. */
export function* wordsOf(text: string): Generator<string> {
  for (const [match] of text.matchAll(SEPARATORS)) {
    const word = match.length > MAX_WORD ? '' : match.replace(EDGES, '');
    if (word !== '') yield word;
  }
}

function addWord(word: string, add: (token: string) => void): void {
  add(word);
  const segments = word.split(PATH_PARTS).filter((segment) => segment !== '');
  for (const segment of segments) {
    if (segments.length > 1) add(segment);
    const stem = segment.replace(EXTENSION, '');
    if (stem !== segment) add(stem);
    const names = namesOf(stem);
    if (names.length > 1) add(names.join(''));
    // What looks like a file's extension may be a method.
    for (const name of namesOf(segment)) {
      add(name);
      for (const [hump] of name.matchAll(HUMPS)) add(hump);
    }
  }
}

const namesOf = (text: string): string[] => text.split(NAME_PARTS).filter((name) => name !== '');
