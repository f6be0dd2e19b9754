import { createHash } from 'node:crypto';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import type { Random } from '../crash/random.js';

const join = (directory: Buffer, name: Buffer): Buffer => Buffer.concat([directory, Buffer.from('/'), name]);

/** Everything below a directory that must not be lost: one line per entry, by its path in hexadecimal. */
export function fingerprint(directory: string): string[] {
  const lines: string[] = [];
  const walk = (at: Buffer, path: Buffer): void => {
    const facts = lstatSync(at);
    const told = [path.toString('hex'), (facts.mode & 0o7777).toString(8), Math.floor(facts.mtimeMs / 10)];
    if (facts.isSymbolicLink()) lines.push([...told, 'link', readlinkSync(at, 'buffer').toString('hex')].join(' '));
    else if (facts.isFile())
      lines.push([...told, 'file', createHash('sha256').update(readFileSync(at)).digest('hex')].join(' '));
    else {
      lines.push([...told, 'directory'].join(' '));
      for (const name of readdirSync(at, { encoding: 'buffer' })) walk(join(at, name), join(path, name));
    }
  };
  walk(Buffer.from(directory), Buffer.alloc(0));
  return lines.sort();
}

const MODES = [0o644, 0o600, 0o755, 0o000, 0o4755, 0o2755, 0o1777, 0o444];

/** Does to a tree what programs do: makes, changes, moves about and deletes, with all kinds of names and modes. */
export function scramble(directory: string, random: Random, steps: number): void {
  const top = Buffer.from(directory);
  for (let step = 0; step < steps; step += 1) {
    const parent = pickDirectory(top, random);
    const at = join(parent, nameFrom(random));
    rmSync(at, { recursive: true, force: true });
    if (random.chance(0.1)) continue;
    if (random.chance(0.15)) mkdirSync(at);
    else if (random.chance(0.1)) symlinkSync(Buffer.from([0x2e, 0x2e, 0x2f, 0xff, random.between(97, 122)]), at);
    else writeFileSync(at, bytes(random, random.chance(0.03) ? 9_000_000 : random.between(0, 40_000)));
    if (lstatSync(at).isSymbolicLink()) continue;
    chmodSync(at, lstatSync(at).isDirectory() ? 0o755 : random.pick(MODES));
    if (random.chance(0.3)) utimesSync(at, random.between(1, 2_000_000_000), random.between(1, 2_000_000_000));
  }
}

function pickDirectory(top: Buffer, random: Random): Buffer {
  let at = top;
  while (random.chance(0.6)) {
    const below = readdirSync(at, { encoding: 'buffer' }).map((name) => join(at, name));
    const directories = below.filter((path) => lstatSync(path).isDirectory() && !path.toString().endsWith('/.git'));
    if (directories.length === 0) break;
    at = random.pick(directories);
  }
  return at;
}

/** Few of them, so that they meet again. */
function nameFrom(random: Random): Buffer {
  if (random.chance(0.2)) return Buffer.from([0xfe, 0x0a, random.between(1, 40)].filter((byte) => byte !== 0x2f));
  return Buffer.from(`n ${random.between(1, 30)}`);
}

function bytes(random: Random, length: number): Buffer {
  return Buffer.alloc(length, Buffer.from([random.between(0, 255), random.between(0, 255), random.between(0, 255)]));
}
