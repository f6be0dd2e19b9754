import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { inflate } from './inflate.js';
import { members } from './members.js';
import { renamedArchive } from './renamed-archive.js';
import { FREE, tarGz, type TestMember } from './testing/archives.js';

const ID = 'ses_0123456789abcdef';

const renamed = async (archive: Buffer): Promise<Buffer> => buffer(renamedArchive(Readable.from([archive]), ID));

/** The members of an archive that names `ID`, by their paths. */
async function contents(...given: readonly TestMember[]): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const archive = Readable.from([await renamed(await tarGz(...given))]);
  for await (const member of members(inflate(archive), FREE)) {
    found[member.path] = (await Readable.from(member.content).toArray()).join('');
  }
  return found;
}

describe('an archive under another id', () => {
  it('differs in the id of its manifest alone', async () => {
    const others = {
      'a/empty.txt': '',
      'checkpoints/one/manifest.json': '{"session_id":"ses_old"}',
      'messages.jsonl': '{"session_id":"ses_old"}\n'.repeat(20_000),
    };
    const found = await contents(...Object.entries(others).map(([name, content]) => ({ name, content })), {
      name: 'manifest.json',
      content: '{"title":"t","session_id":"ses_old","n":{"session_id":1}}',
    });
    const { 'manifest.json': manifest, ...rest } = found;
    expect(rest).toEqual(others);
    expect(JSON.parse(manifest!)).toEqual({ title: 't', session_id: ID, n: { session_id: 1 } });
  });

  it('is found in the one folder that everything lies in, too', async () => {
    const found = await contents(
      { name: 'top/manifest.json', content: '{}' },
      { name: 'top/messages.jsonl', content: '{}\n' },
    );
    expect(JSON.parse(found['top/manifest.json']!)).toEqual({ session_id: ID });
  });

  it('keeps a manifest that is no object, and an archive without one', async () => {
    expect(await contents({ name: 'manifest.json', content: '[1' })).toEqual({ 'manifest.json': '[1' });
    expect(await contents({ name: 'x', content: 'y' })).toEqual({ x: 'y' });
  });

  it('is the same bytes each time', async () => {
    const archive = await tarGz({ name: 'manifest.json', content: '{}' }, { name: 'x', content: 'y'.repeat(200_000) });
    expect((await renamed(archive)).equals(await renamed(archive))).toBe(true);
  });

  it('fails whoever reads it when the stored one is damaged, and lets go of it', async () => {
    const archive = await tarGz({ name: 'x', content: 'y'.repeat(200_000) });
    const source = Readable.from([archive.subarray(0, -40)]);
    await expect(buffer(renamedArchive(source, ID))).rejects.toThrow('truncated');
    expect(source.destroyed).toBe(true);
  });

  it('is read no further when its reader goes away', async () => {
    const archive = await tarGz({ name: 'x', content: randomBytes(4_000_000) });
    let given = 0;
    const source = Readable.from(
      (function* () {
        for (; given < archive.length; given += 1_000) yield archive.subarray(given, given + 1_000);
      })(),
    );
    const reader = renamedArchive(source, ID);
    reader.once('readable', () => reader.destroy());
    await new Promise((resolve) => source.once('close', resolve));
    expect(given).toBeLessThan(archive.length);
  });
});
