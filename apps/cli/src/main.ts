#!/usr/bin/env node
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { COMMANDS, isCommand } from './commands.js';

/** `roundhouse <command>`: exits with the command's code, or 1 with the reason on stderr. */
async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { help: { type: 'boolean', short: 'h' } },
    allowPositionals: true,
  });
  const [name = 'help', ...extra] = values.help ? ['help'] : positionals;
  if (!isCommand(name) || extra.length > 0) {
    console.error(`Unknown command: ${positionals.join(' ')}. "roundhouse help" lists the commands.`);
    return 2;
  }
  // Variables that are already set win over the file.
  if (existsSync('.env')) process.loadEnvFile('.env');
  const { run } = await COMMANDS[name]();
  return run(process.env);
}

try {
  process.exit(await main());
} catch (error) {
  const verbose = ['debug', 'trace'].includes(process.env['LOG_LEVEL'] ?? '');
  console.error(error instanceof Error ? (verbose && error.stack) || error.message : error);
  process.exit(1);
}
