import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { countMessages } from './message-log.js';
import { line, SpoolFolder } from './testing/archives.js';

/** The command line of a program that packs the folder it runs in into the file that is its last argument. */
const WRITERS: Readonly<Record<string, (file: string) => readonly [string, ...string[]]>> = {
  'GNU tar': (file) => ['tar', '-czf', file, '.'],
  'GNU tar, ustar': (file) => ['tar', '--format=ustar', '-czf', file, '--exclude=*long*', '.'],
  'GNU tar, pax': (file) => ['tar', '--format=posix', '-czf', file, '.'],
  'GNU tar, old format': (file) => ['tar', '--format=oldgnu', '-czf', file, '.'],
  "Python's tarfile": (file) => ['python3', '-c', PYTHON, file],
};
/** As the client packs: regular files in the order of their paths, without a folder around them. */
const PYTHON = `
import os, sys, tarfile
with tarfile.open(sys.argv[1], 'w:gz') as archive:
    for folder, _, names in sorted(os.walk('.')):
        for name in sorted(names):
            path = os.path.relpath(os.path.join(folder, name), '.')
            archive.add(path, arcname=path, recursive=False)
`;
const LONG = `context/${'long-'.repeat(30)}name.txt`;

describe('archives of other writers', () => {
  let spools: SpoolFolder;
  let folder: string;
  let file: string;

  beforeAll(async () => {
    spools = await SpoolFolder.create();
    folder = mkdtempSync(join(tmpdir(), 'rh-session-'));
    file = `${folder}.tar.gz`;
    mkdirSync(join(folder, 'checkpoints/one'), { recursive: true });
    mkdirSync(join(folder, 'context'));
    writeFileSync(join(folder, 'manifest.json'), '{"title":"Packed elsewhere"}');
    writeFileSync(join(folder, 'messages.jsonl'), `${line('one')}\n`.repeat(700));
    writeFileSync(join(folder, 'checkpoints/one/messages.jsonl'), line('old'));
    writeFileSync(join(folder, 'context/ünï.txt'), 'unicode');
    writeFileSync(join(folder, LONG), 'long name');
  });
  afterAll(async () => {
    rmSync(folder, { recursive: true });
    rmSync(file, { force: true });
    await spools.remove();
  });

  /** tar is everywhere; Python, which the client is written in, need not be. */
  const installed = (): string[] =>
    Object.keys(WRITERS).filter((writer) => {
      const [program = ''] = WRITERS[writer]?.(file) ?? [];
      return program === 'tar' || spawnSync(program, ['--version']).status === 0;
    });

  const packed = (writer: string): Buffer => {
    const [program, ...args] = WRITERS[writer]?.(file) ?? ['false'];
    execFileSync(program, args, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
    return readFileSync(file);
  };

  it('are read alike, and those of the same files have one content hash', async () => {
    const hashes = new Map<string, string>();
    for (const writer of installed()) {
      const { metadata, conversation, contentHash } = await spools.read(packed(writer));
      expect({ writer, title: metadata.title, messages: countMessages(conversation.index) }).toEqual({
        writer,
        title: 'Packed elsewhere',
        messages: 700,
      });
      hashes.set(writer, contentHash);
    }
    hashes.delete('GNU tar, ustar');
    expect(new Set(hashes.values()).size).toBe(1);
  });

  it('are refused for the links and holes in them', async () => {
    symlinkSync('/etc/passwd', join(folder, 'link'));
    await expect(spools.read(packed('GNU tar'))).rejects.toThrow('Symlink in tar archive: ./link');
    rmSync(join(folder, 'link'));
    writeFileSync(join(folder, 'holes'), 'x');
    truncateSync(join(folder, 'holes'), 10_000_000);
    for (const format of ['gnu', 'posix']) {
      execFileSync('tar', [`--format=${format}`, '--sparse', '-czf', file, 'holes'], { cwd: folder });
      await expect(spools.read(readFileSync(file))).rejects.toMatchObject({ code: 'bad_request' });
    }
    rmSync(join(folder, 'holes'));
  });
});
