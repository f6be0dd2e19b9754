import { SUMMARIES } from '../summaries.js';

export function run(): Promise<number> {
  console.log('Usage: roundhouse <command>\n');
  for (const [name, summary] of Object.entries(SUMMARIES)) console.log(`  ${name.padEnd(10)} ${summary}`);
  console.log('\nSettings are environment variables (or lines of ./.env); docs/operations.md lists them.');
  return Promise.resolve(0);
}
