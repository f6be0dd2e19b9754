import { mkdirSync } from 'node:fs';
import { git } from './git.js';
import type { Random } from './git.js';

/** Everything git can put into a history, as a fast-import stream: long delta chains, odd names, tags, links. */
export function createSampleRepository(dir: string, random: Random, revisions: number): void {
  mkdirSync(dir, { recursive: true });
  git(dir, ['init', '-q', '--bare', '-b', 'main', dir]);
  const parts: Buffer[] = [];
  const say = (line: string): void => void parts.push(Buffer.from(`${line}\n`, 'latin1'));
  const data = (bytes: Buffer): void => {
    say(`data ${bytes.length}`);
    parts.push(bytes, Buffer.from('\n'));
  };
  const file = (mode: string, path: string, bytes: Buffer): void => {
    say(`M ${mode} inline ${path}`);
    data(bytes);
  };
  let text = Array.from({ length: 400 }, (_, i) => `line ${i} ${random.below(1e9).toString(36)}`);
  for (let revision = 0; revision < revisions; revision += 1) {
    say('commit refs/heads/main');
    say(`mark :${revision + 1}`);
    say(`author J\xc3\xbcrgen <j@example.com> ${1_600_000_000 + revision} +0200`);
    say(`committer Test <test@example.com> ${1_600_000_000 + revision} +0000`);
    data(Buffer.from(`revision ${revision}\n`));
    if (revision > 0) say(`from :${revision}`);
    else addOddities(say, file, random);
    text = text.map((line) => (random.below(100) === 0 ? `${line}!${random.below(1000)}` : line));
    file('100644', 'src/long.txt', Buffer.from(text.join('\n')));
    file('100644', `src/dir${random.below(5)}/f${random.below(20)}.txt`, random.bytes(random.below(500)));
  }
  say('tag annotated');
  say(`from :${revisions}`);
  say('tagger Test <test@example.com> 1700000000 +0000');
  data(Buffer.from('a tag\n'));
  say('done');
  git(dir, ['fast-import', '--quiet', '--done'], Buffer.concat(parts));
}

function addOddities(
  say: (line: string) => void,
  file: (mode: string, path: string, bytes: Buffer) => void,
  random: Random,
): void {
  for (const name of ['a', 'a-b', 'a.b', 'a0', 'ab/c', 'a0b/x']) file('100644', `sort/${name}`, Buffer.from(name));
  file('100644', 'sort/a1/b', Buffer.from('b'));
  file('120000', 'link', Buffer.from('src/long.txt'));
  file('100755', 'run.sh', Buffer.from('#!/bin/sh\n'));
  file('100644', '"caf\\351"', Buffer.from('latin1 name'));
  file('100644', 'empty', Buffer.alloc(0));
  file('100644', 'large.bin', random.bytes(300_000));
  say(`M 160000 ${'12'.repeat(20)} module`);
  for (let i = 0; i < 5000; i += 1)
    say(`M 100644 inline flat/file-${i}.txt\ndata 4\n${String(i % 300).padStart(4, '0')}`);
}

/** Every object git knows, by id. */
export function objectsByGit(dir: string): Map<string, { type: string; data: Buffer }> {
  const out = git(dir, ['cat-file', '--batch', '--batch-all-objects', '--buffer']);
  const objects = new Map<string, { type: string; data: Buffer }>();
  for (let at = 0; at < out.length;) {
    const end = out.indexOf(0x0a, at);
    const [oid = '', type = '', size = ''] = out.toString('latin1', at, end).split(' ');
    const data = out.subarray(end + 1, end + 1 + Number(size));
    objects.set(oid, { type, data });
    at = end + 2 + Number(size);
  }
  return objects;
}
