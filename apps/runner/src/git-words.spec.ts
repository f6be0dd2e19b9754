import { saysDiskFull } from './git-words.js';

describe('what git says when it stops', () => {
  it.each([
    'fatal: write error: No space left on device\n',
    "remote: x\nfatal: unable to create temporary file '/r/objects/pack/tmp_pack_a': No space left on device\nfatal: y\n",
    'fatal: cannot store pack file: Disk quota exceeded',
    'error: unable to write file x: Read-only file system\nfatal: cannot store index file\n',
    "fatal: sha1 file 'x' write error. Out of diskspace\n",
  ])('is a full disk: %j', (words) => expect(saysDiskFull(words)).toBe(true));

  it.each([
    'fatal: pack is corrupted (SHA1 mismatch)\n',
    'error: object 1f: No space left on device in its message\nfatal: fsck error in packed object\n',
    '',
  ])('is the pack: %j', (words) => expect(saysDiskFull(words)).toBe(false));
});
