import { messageOf } from '../conversation/message.js';
import { type IndexedChunk, SearchTextPass } from './search-text-pass.js';

/** What a binary jsonb holds. */
function listIn<Item>(bytes: Uint8Array): Item[] {
  expect(bytes[0]).toBe(1);
  return JSON.parse(Buffer.from(bytes.subarray(1)).toString()) as Item[];
}

function read(texts: readonly string[]): { chunks: IndexedChunk[]; words: string[] } {
  const pass = new SearchTextPass();
  const chunks: IndexedChunk[] = [];
  const words: string[] = [];
  const take = (part: ReturnType<SearchTextPass['part']>): void => {
    const told = part.chunks.flatMap((list) => listIn<IndexedChunk>(list));
    expect(part.count).toBe(told.length);
    chunks.push(...told);
    words.push(...part.words.flatMap((list) => listIn<string>(list)));
  };
  for (const [index, text] of texts.entries()) {
    pass.feed(messageOf({ role: 'user', content: text }), index);
    take(pass.part());
  }
  take(pass.finish());
  return { chunks, words };
}

describe('what is indexed of a conversation', () => {
  it('has every pair of neighbouring words in one chunk, also at the borders of chunks', () => {
    const all = Array.from({ length: 6_000 }, (_, index) => `word${index}`);
    const { chunks } = read([all.slice(0, 2_000).join(' '), all.slice(2_000).join(' ')]);
    expect(chunks.length).toBeGreaterThan(4);
    const pairs = new Set(chunks.flatMap(({ text }) => pairsOf(text)));
    expect(pairsOf(all.join(' ')).filter((pair) => !pairs.has(pair))).toEqual([]);
    expect(chunks.map(({ ordinal }) => ordinal)).toEqual(chunks.map((_, index) => index));
  });

  it('has the identifiers of each chunk, and every word once', () => {
    const { chunks, words } = read(['call readLine in src/io.ts', 'again readLine, 42 times']);
    expect(chunks[0]?.identifiers).toEqual(
      expect.arrayContaining(['readline', 'read', 'line', 'src/io.ts', 'io', 'ts']),
    );
    expect(words.toSorted()).toEqual(['again', 'call', 'readline', 'src/io.ts', 'times']);
  });
});

function pairsOf(text: string): string[] {
  const words = text.split(/\s+/);
  return words.slice(1).map((word, index) => `${words[index]} ${word}`);
}
