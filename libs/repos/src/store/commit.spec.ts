import { describe, expect, it } from '@jest/globals';
import { formatCommit, parseCommit, parseSignature, parseTagTarget } from './commit.js';

const TREE = 'ab'.repeat(20);
const PARENT = 'cd'.repeat(20);
const SOMEONE = { name: 'Jürgen', email: 'j@example.com', timestamp: 1_700_000_000, timezone: '+0000' };

function stored(lines: string[], message = 'text', encoding: BufferEncoding = 'utf8'): Buffer {
  return Buffer.from(`${[`tree ${TREE}`, ...lines].join('\n')}\n\n${message}`, encoding);
}

describe('commit objects', () => {
  it('reads back what it wrote, byte for byte in the message', () => {
    const message = '  subject ✓\n\nbody\n\n\ntrailing\n\n';
    const commit = { tree: TREE, parents: [PARENT, TREE], author: SOMEONE, committer: SOMEONE, message };
    expect(parseCommit(formatCommit(commit))).toEqual(commit);
    expect(parseCommit(formatCommit({ ...commit, parents: [], message: '' }))).toMatchObject({
      parents: [],
      message: '',
    });
  });

  it('keeps names and e-mails from breaking out of their line', () => {
    const evil = { ...SOMEONE, name: 'A <x>\nparent 12\0', email: 'a@b>\ncommitter c <d' };
    const text = formatCommit({ tree: TREE, parents: [], author: evil, committer: evil, message: 'm' }).toString();
    expect(text.split('\n\n')[0]?.split('\n')).toHaveLength(3);
    expect(parseCommit(Buffer.from(text)).author).toMatchObject({ name: 'A xparent 12', email: 'a@bcommitter c d' });
  });

  it('refuses a NUL in the message', () => {
    const commit = { tree: TREE, parents: [], author: SOMEONE, committer: SOMEONE, message: 'a\0b' };
    expect(() => formatCommit(commit)).toThrow(expect.objectContaining({ code: 'invalid_input' }));
  });

  it.each([
    ['A U Thor <a@b> 12 +0100', { name: 'A U Thor', email: 'a@b', timestamp: 12, timezone: '+0100' }],
    ['<a@b> 12 +0000', { name: '', email: 'a@b', timestamp: 12, timezone: '+0000' }],
    ['No Mail <> 12 +0000', { name: 'No Mail', email: '', timestamp: 12, timezone: '+0000' }],
    ['No Zone <a@b> 12', { name: 'No Zone', email: 'a@b', timestamp: 12, timezone: '+0000' }],
    ['no angle brackets', { name: 'no angle brackets', email: '', timestamp: 0, timezone: '+0000' }],
    ['No Date <a@b>', { name: 'No Date <a@b>', email: '', timestamp: 0, timezone: '+0000' }],
  ])('reads the signature %j leniently', (line, expected) => {
    expect(parseSignature(line)).toEqual(expected);
  });

  it('skips signatures and unknown headers', () => {
    const lines = [`parent ${PARENT}`, 'author A <a@b> 1 +0000', 'committer C <c@d> 2 +0000'];
    const data = stored(
      [...lines, 'gpgsig -----BEGIN', ` parent ${TREE}`, '', ' -----END', 'mergetag x'].filter(Boolean),
    );
    expect(parseCommit(data)).toMatchObject({ parents: [PARENT], author: { name: 'A' }, committer: { email: 'c@d' } });
  });

  it('decodes the encoding the commit names, and UTF-8 for one it does not know', () => {
    const lines = ['author J\xfcrgen <a@b> 1 +0000', 'committer C <c@d> 2 +0000'];
    const latin = parseCommit(stored([...lines, 'encoding ISO-8859-1'], 'caf\xe9', 'latin1'));
    expect(latin).toMatchObject({ author: { name: 'Jürgen' }, message: 'café' });
    expect(parseCommit(stored(['encoding klingon'], 'café')).message).toBe('café');
  });

  it('reads a commit without author or message', () => {
    const data = Buffer.from(`tree ${TREE}`);
    expect(parseCommit(data)).toMatchObject({
      tree: TREE,
      parents: [],
      message: '',
      author: { name: '', timestamp: 0 },
    });
  });

  it.each([
    ['no tree at all', 'author A <a@b> 1 +0000\n\n'],
    ['half an id', 'tree abcd\n\n'],
  ])('refuses %s', (_, text) => {
    expect(() => parseCommit(Buffer.from(text))).toThrow('Stored object is corrupt');
  });

  it('knows what a tag points to and refuses a tag that does not say', () => {
    expect(parseTagTarget(Buffer.from(`object ${TREE}\ntype commit\ntag x\n`))).toEqual({ oid: TREE, type: 'commit' });
    expect(() => parseTagTarget(Buffer.from('tag x\n'))).toThrow('Stored object is corrupt');
  });
});
