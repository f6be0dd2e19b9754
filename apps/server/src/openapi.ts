import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NestFactory } from '@nestjs/core';
import { packageRoot } from '#kernel';
import { loadConfig } from '#platform';
import { AppModule } from './app.module.js';
import { buildDocument } from './openapi/document.js';

const FILE = join(packageRoot(), 'openapi', 'roundhouse.json');

/** Writes openapi/roundhouse.json, or with --check fails when it differs from what the code says. */
async function main(): Promise<void> {
  const config = loadConfig({ DATABASE_URL: 'postgres://unused' });
  // Preview reads the decorators and starts nothing: no database, no threads, no git.
  const app = await NestFactory.create(AppModule.forRoot(config), {
    preview: true,
    logger: false,
    abortOnError: false,
  });
  const current = `${JSON.stringify(buildDocument(app), null, 2)}\n`;
  if (!process.argv.includes('--check')) {
    writeFileSync(FILE, current);
    return;
  }
  if (readFileSync(FILE, 'utf8') === current) return;
  process.stderr.write('openapi/roundhouse.json is out of date: run `npm run openapi`\n');
  process.exitCode = 1;
}

await main();
