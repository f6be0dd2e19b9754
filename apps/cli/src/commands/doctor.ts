import { dataDirOf } from '../data-dir.js';
import { CHECKS } from '../machine-checks.js';

const MARKS = { ok: 'ok     ', advice: 'advice ', missing: 'MISSING' } as const;

/** Prints one line per fact the server depends on, and the line that fixes it; exits with 1 when one is missing. */
export async function run(env: NodeJS.ProcessEnv): Promise<number> {
  const target = { env, dataDir: dataDirOf(env) };
  let missing = 0;
  for (const { name, check } of CHECKS) {
    const { state, found, fix } = await check(target);
    if (state === 'missing') missing += 1;
    console.log(`${MARKS[state]} ${name.padEnd(16)} ${found}`);
    if (fix !== undefined) console.log(`${' '.repeat(25)}fix: ${fix}`);
  }
  return missing === 0 ? 0 : 1;
}
