#!/usr/bin/env node
import { existsSync } from 'node:fs';
import { COMMANDS, isCommand, takesArguments } from './commands.js';
import { UsageError } from './usage.js';

/** `roundhouse <command>`: exits with the command's code, or 1 with the reason on stderr. */
async function main(): Promise<number> {
  const [first = 'help', ...args] = process.argv.slice(2);
  const name =
    first === '-h' || first === '--help' || args.some((arg) => arg === '-h' || arg === '--help') ? 'help' : first;
  if (!isCommand(name) || (args.length > 0 && !takesArguments(name) && name !== 'help')) {
    console.error(`Unknown command: ${process.argv.slice(2).join(' ')}. "roundhouse help" lists the commands.`);
    return 2;
  }
  // Variables that are already set win over the file.
  if (existsSync('.env')) process.loadEnvFile('.env');
  const { run } = await COMMANDS[name]();
  return run(process.env, args);
}

try {
  process.exit(await main());
} catch (error) {
  const verbose = ['debug', 'trace'].includes(process.env['LOG_LEVEL'] ?? '');
  console.error(error instanceof Error ? (verbose && error.stack) || error.message : error);
  process.exit(error instanceof UsageError ? 2 : 1);
}
