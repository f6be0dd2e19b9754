const WORDS = ['const', 'value', 'return', 'await', 'commit', 'branch', 'tree', 'index', 'reader', 'writer', 'offset'];
const FILES_PER_FOLDER = 5;

/** A small repeatable generator of numbers below 2^32 (mulberry32). */
function numbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

/** About `bytes` of text that looks like source code; the same seed gives the same text. */
export function sourceText(seed, bytes = 1024) {
  const next = numbers(seed);
  const parts = [];
  for (let size = 0; size < bytes;) {
    const word = next() % 4 === 0 ? next().toString(36) : WORDS[next() % WORDS.length];
    const part = word + (next() % 8 === 0 ? ';\n' : ' ');
    parts.push(part);
    size += part.length;
  }
  return parts.join('').slice(0, bytes);
}

const basePath = (index) => `src/part-${Math.floor(index / FILES_PER_FOLDER)}/file-${index % FILES_PER_FOLDER}.ts`;

/** The files every repository of a comparison begins with: `[path, text]`, five to a folder. */
export function baseFiles(count) {
  return Array.from({ length: count }, (_, index) => [basePath(index), sourceText(index)]);
}

/** The files of one commit on `baseFiles(base)`: every second one replaces a file, the others are new. */
export function changedFiles(count, base, round) {
  const seed = (round + 1) * 1_000_003;
  return Array.from({ length: count }, (_, index) => {
    const at = (round * 7 + index) % base;
    const isNew = index % 2 === 1;
    const path = isNew ? basePath(at).replace(/file-\d+/, `new-${index % FILES_PER_FOLDER}`) : basePath(at);
    return [path, sourceText(seed + index)];
  });
}

/** The body of `POST /v1/repos/:slug/commits`. */
export function commitBody(files, message) {
  const changes = files.map(([path, content]) => ({ path, content }));
  return Buffer.from(JSON.stringify({ branch: 'main', message, changes }));
}

/** The same commit for `git fast-import`, on top of what `main` is. */
export function importStream(files, message, isFirst = false) {
  const parts = [
    'commit refs/heads/main\n',
    `committer Roundhouse <noreply@roundhouse.local> ${Math.floor(Date.now() / 1000)} +0000\n`,
    `data ${Buffer.byteLength(message)}\n${message}\n`,
    isFirst ? '' : 'from refs/heads/main^0\n',
  ];
  for (const [path, content] of files)
    parts.push(`M 100644 inline ${path}\ndata ${Buffer.byteLength(content)}\n${content}\n`);
  return Buffer.from(parts.join(''));
}
