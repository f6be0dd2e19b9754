import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ARCHITECTURE = dirname(fileURLToPath(import.meta.url));
export const ROOT = join(ARCHITECTURE, '../..');

/**
 * What the planted files say of themselves, as sorted `file: rule`: one that breaks a rule says `// expect: rule` in a
 * line of its own, one that does not says nothing.
 */
export function expectations(tree: string): string[] {
  const expected: string[] = [];
  for (const file of readdirSync(tree, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue;
    const rule = /^\/\/ expect: (.+)$/m.exec(readFileSync(join(tree, file), 'utf8'))?.[1];
    if (rule !== undefined) expected.push(`${file}: ${rule}`);
  }
  return expected.sort();
}
