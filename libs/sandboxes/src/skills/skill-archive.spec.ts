import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { zip, type ZipEntry } from '../../../../test/support/zip.js';
import { unpackSkill, type UnpackedSkill } from './skill-archive.js';

const folder = mkdtempSync(join(tmpdir(), 'roundhouse-skills-'));
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;

async function unpack(archive: Buffer): Promise<{ target: string; facts: UnpackedSkill }> {
  const target = join(folder, `${(count += 1)}`);
  writeFileSync(`${target}.zip`, archive);
  await mkdir(target);
  return { target, facts: await unpackSkill(`${target}.zip`, target) };
}

const NOTE: ZipEntry = { name: 'SKILL.md', content: '# Hello' };
const many = (number: number): ZipEntry[] => Array.from({ length: number }, (_, index) => ({ name: `f${index}` }));
const MIB = 1_048_576;

describe('the archive of a skill', () => {
  it('is unpacked as it is: files, directories, programs', async () => {
    const { target, facts } = await unpack(
      zip([
        { ...NOTE, isStored: true },
        { name: 'empty/' },
        { name: 'deep/er/run.sh', content: '#!/bin/sh\n', mode: 0o100711 },
        { name: 'deep/ünïcode', content: Buffer.alloc(300_000, 'x'), mode: 0o100600 },
      ]),
    );
    expect(facts).toEqual({ files: 3, totalBytes: 300_017, skillMdBytes: 7 });
    expect(readdirSync(target).sort()).toEqual(['SKILL.md', 'deep', 'empty']);
    expect(readFileSync(join(target, 'SKILL.md'), 'utf8')).toBe('# Hello');
    expect(statSync(join(target, 'deep/er/run.sh')).mode & 0o7777).toBe(0o755);
    expect(statSync(join(target, 'deep/ünïcode'))).toMatchObject({ size: 300_000, mode: 0o100644 });
    expect(statSync(join(target, 'empty')).mode & 0o7777).toBe(0o755);
  });

  it('may have one folder around everything, which is taken off', async () => {
    const { target, facts } = await unpack(
      zip([{ name: 'my/' }, { ...NOTE, name: 'my/SKILL.md' }, { name: 'my/x/y' }]),
    );
    expect(facts.files).toBe(2);
    expect(readdirSync(target).sort()).toEqual(['SKILL.md', 'x']);
  });

  it('has at most 1,000 entries, of which that is allowed', async () => {
    expect((await unpack(zip([NOTE, ...many(999)]))).facts.files).toBe(1_000);
    await expect(unpack(zip([NOTE, ...many(1_000)]))).rejects.toMatchObject({ code: 'payload_too_large' });
  });

  it.each<[string, ZipEntry[]]>([
    ['no SKILL.md', [{ name: 'README.md' }]],
    ['nothing', []],
    ['SKILL.md in another case', [{ name: 'skill.md' }]],
    ['a directory called SKILL.md', [{ name: 'SKILL.md/' }, { name: 'SKILL.md/x' }]],
    ['two folders around', [{ name: 'a/b/SKILL.md' }]],
    ['a folder around a part only', [{ ...NOTE, name: 'a/SKILL.md' }, { name: 'b' }]],
    ['a symbolic link', [NOTE, { name: 'link', content: '/etc/passwd', mode: 0o120777 }]],
    ['a link instead of SKILL.md', [{ ...NOTE, mode: 0o120777 }]],
    ['a device', [NOTE, { name: 'zero', mode: 0o020666 }]],
    ['a pipe', [NOTE, { name: 'pipe', mode: 0o010666 }]],
    ['a socket', [NOTE, { name: 'sock', mode: 0o140666 }]],
    ['an absolute name', [NOTE, { name: '/etc/x' }]],
    ['a drive', [NOTE, { name: 'C:x' }]],
    ['traversal', [NOTE, { name: '../x' }]],
    ['traversal further in', [NOTE, { name: 'a/../../x' }]],
    ['traversal as a directory', [NOTE, { name: '../' }]],
    ['a back-slash', [NOTE, { name: '..\\x' }]],
    ['a NUL', [NOTE, { name: 'a\0b' }]],
    ['a dot', [NOTE, { name: './x' }]],
    ['an empty name', [NOTE, { name: '' }]],
    ['an empty part', [NOTE, { name: 'a//b' }]],
    ['a long name', [NOTE, { name: 'x'.repeat(256) }]],
    ['a deep path', [NOTE, { name: `${'d/'.repeat(32)}x` }]],
    ['one name twice', [NOTE, NOTE]],
    ['a file below a file', [NOTE, { name: 'SKILL.md/x' }]],
    ['a file above a file', [NOTE, { name: 'a/b' }, { name: 'a', content: 'x' }]],
    ['a directory with content', [NOTE, { name: 'a/', content: 'x' }]],
    ['a directory without its slash', [NOTE, { name: 'a', mode: 0o040755 }]],
    ['an encrypted entry', [NOTE, { name: 'x', isEncrypted: true }]],
    ['another compression', [NOTE, { name: 'x', method: 12 }]],
    ['a wrong checksum', [NOTE, { name: 'x', content: 'abc', checksum: 1 }]],
    ['more content than it says', [NOTE, { name: 'x', content: Buffer.alloc(30 * MIB), declaredBytes: 10 }]],
    ['less content than it says', [NOTE, { name: 'x', content: 'abc', declaredBytes: 10 }]],
  ])('with %s is refused', async (_name, entries) => {
    await expect(unpack(zip(entries))).rejects.toMatchObject({ code: 'bad_request', reason: 'invalid_archive' });
  });

  it.each<[string, ZipEntry[]]>([
    ['a file over 25 MiB', [NOTE, { name: 'x', content: Buffer.alloc(25 * MIB + 1) }]],
    [
      'over 50 MiB in all',
      ['x', 'y', 'z'].map((name) => ({ name, content: Buffer.alloc(17 * MIB) })).concat([NOTE as never]),
    ],
    ['4 GiB as it says', [NOTE, { name: 'x', content: 'abc', declaredBytes: 0xffff_fff0 }]],
  ])('with %s is too large, and nothing of it is written', async (_name, entries) => {
    await expect(unpack(zip(entries))).rejects.toMatchObject({ code: 'payload_too_large' });
    expect(readdirSync(join(folder, String(count)))).toEqual([]);
  });

  it('that is damaged anywhere is refused, or is one still; it never ends the process', async () => {
    const whole = zip([NOTE, { name: 'a/b', content: 'x'.repeat(500) }, { name: 'c/', mode: 0o040755 }]);
    const damage = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(damage, fc.option(fc.nat(whole.length)), async (changes, cut) => {
        const archive = Buffer.from(whole.subarray(0, cut ?? whole.length));
        for (const [place, byte] of changes) if (place < archive.length) archive[place] = byte;
        const code = await unpack(archive).then(
          () => 'unpacked',
          (error: { code?: string }) => error.code,
        );
        expect(['unpacked', 'bad_request', 'payload_too_large']).toContain(code);
      }),
      { numRuns: 300 },
    );
  });
});
